"""What the custom jobs that a pipeline starts have in common (google/cloud/aiplatform/v1/custom_job.proto)."""

from __future__ import annotations

from typing import Any

from hilir.pipeline.config.schema import Config
from hilir.pipeline.config.vertex import TuningSection, WorkerPool

Json = dict[str, Any]


def make_custom_job(config: Config, purpose: str, pools: list[Json], scheduling: Json) -> Json:
    """Returns the CustomJob with the configuration's account, network, labels and key; names in snake case."""
    vertex = config.vertex
    spec: Json = {"worker_pool_specs": pools, "scheduling": scheduling}
    if vertex.service_account:
        spec["service_account"] = vertex.service_account
    if vertex.network:
        spec["network"] = vertex.network
    result: Json = {"display_name": f"{config.model.name}-{purpose}", "job_spec": spec}
    if vertex.labels:
        result["labels"] = dict(vertex.labels)
    if vertex.encryption_key:
        result["encryption_spec"] = {"kms_key_name": vertex.encryption_key}
    return result


def make_pool(machine: WorkerPool | TuningSection, replicas: int, container: Json) -> Json:
    """Returns the WorkerPoolSpec of machines of one kind."""
    spec: Json = {"machine_type": machine.machine_type}
    if machine.accelerator:
        spec |= {"accelerator_type": machine.accelerator, "accelerator_count": machine.accelerators}
    return {
        "machine_spec": spec,
        "replica_count": replicas,
        "disk_spec": {"boot_disk_size_gb": machine.disk_gb},
        "container_spec": container,
    }
