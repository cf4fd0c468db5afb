"""Sends the Beam pipelines of chosen steps to Dataflow."""

from __future__ import annotations

from typing import Any

from hilir.pipeline.config.schema import Config
from hilir.pipeline.vertex.compile.containers import containers, unknown_steps

Json = dict[str, Any]

# What TFX's compiler puts before the Beam arguments (tfx/orchestration/kubeflow/v2/step_builder.py).
_LAST_OF_TFX = "--json_serialized_inputs_spec_args"


def use_dataflow(job: Json, config: Config) -> list[str]:
    """Replaces the Beam arguments of the steps that `vertex.dataflow.steps` names; returns what is missing for it."""
    chosen = config.vertex.dataflow.steps
    if not chosen:
        return []
    found = dict(containers(job))
    faults = unknown_steps("vertex.dataflow.steps", chosen, list(found))
    if config.vertex.project is None:
        faults.append("vertex.project: Dataflow needs it in the compiled pipeline; give the project's id")
    if config.vertex.bucket is None:
        faults.append("vertex.bucket: Dataflow needs a place for temporary files; give the bucket's name")
    for step in chosen:
        if step in found:
            arguments = found[step]["args"]
            end = arguments.index(_LAST_OF_TFX) + 2
            found[step]["args"] = [*arguments[:end], *_arguments(config, str(found[step]["image"]))]
    return faults


def _arguments(config: Config, image: str) -> list[str]:
    """Returns the options of Beam's DataflowRunner (apache_beam/options/pipeline_options.py)."""
    vertex, dataflow = config.vertex, config.vertex.dataflow
    arguments = [
        "--runner=DataflowRunner",
        f"--project={vertex.project}",
        f"--region={vertex.region}",
        f"--temp_location=gs://{vertex.bucket}/dataflow/tmp",
        f"--staging_location=gs://{vertex.bucket}/dataflow/staging",
        f"--sdk_container_image={image}",
        "--sdk_location=container",
        "--experiments=use_runner_v2",
        f"--worker_machine_type={dataflow.machine_type}",
        f"--max_num_workers={dataflow.max_workers}",
        f"--disk_size_gb={dataflow.disk_gb}",
    ]
    arguments += [f"--labels={key}={value}" for key, value in sorted(vertex.labels.items())]
    if vertex.service_account:
        arguments.append(f"--service_account_email={vertex.service_account}")
    if dataflow.subnetwork:
        arguments.append(f"--subnetwork={dataflow.subnetwork}")
    if not dataflow.public_ips:
        arguments.append("--no_use_public_ips")
    if vertex.encryption_key:
        arguments.append(f"--dataflow_kms_key={vertex.encryption_key}")
    return arguments
