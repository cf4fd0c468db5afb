"""The options of Beam's DataflowRunner."""

from __future__ import annotations

from hilir.pipeline.config.schema import Config


def list_dataflow_options(config: Config, image: str, workers: int | None = None) -> list[str]:
    """Returns the options (apache_beam/options/pipeline_options.py) of the section `vertex`.

    Args:
        config: names project and bucket.
        image: what the workers run.
        workers: their largest number; None: `vertex.dataflow.max_workers`.
    """
    vertex, dataflow = config.vertex, config.vertex.dataflow
    options = [
        "--runner=DataflowRunner",
        f"--project={vertex.project}",
        f"--region={vertex.region}",
        f"--temp_location=gs://{vertex.bucket}/dataflow/tmp",
        f"--staging_location=gs://{vertex.bucket}/dataflow/staging",
        f"--sdk_container_image={image}",
        "--sdk_location=container",
        "--experiments=use_runner_v2",
        f"--worker_machine_type={dataflow.machine_type}",
        f"--max_num_workers={workers or dataflow.max_workers}",
        f"--disk_size_gb={dataflow.disk_gb}",
    ]
    options += [f"--labels={key}={value}" for key, value in sorted(vertex.labels.items())]
    if vertex.service_account:
        options.append(f"--service_account_email={vertex.service_account}")
    if dataflow.subnetwork:
        options.append(f"--subnetwork={dataflow.subnetwork}")
    if not dataflow.public_ips:
        options.append("--no_use_public_ips")
    if vertex.encryption_key:
        options.append(f"--dataflow_kms_key={vertex.encryption_key}")
    return options
