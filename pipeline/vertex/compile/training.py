"""Replaces the Trainer's work by a custom job with its own machines.

The Trainer's container becomes the launcher of Google Cloud Pipeline Components, which creates the job, waits for it
and cancels it with the step; the pools run what the Trainer's container would have run, with the same executor input
(https://github.com/kubeflow/pipelines, components/google-cloud, create_custom_training_job_from_component).
The place of a pool says its role: chief, workers, parameter servers, evaluators
(https://cloud.google.com/vertex-ai/docs/training/distributed-training).
"""

from __future__ import annotations

import json
from typing import Any

from hilir.pipeline.config.schema import Config
from hilir.pipeline.config.vertex import WorkerPool
from hilir.pipeline.spec.executors import LAUNCHER
from hilir.pipeline.vertex.compile.containers import containers
from hilir.pipeline.vertex.compile.custom_job import make_custom_job, make_pool

Json = dict[str, Any]

STEP = "Trainer"
# The executor input inside a JSON text, escaped once.
_ESCAPED_INPUT = "{{$.json_escape[1]}}"


def use_pools(job: Json, config: Config) -> None:
    """Replaces the Trainer's container by one that starts `vertex.training.pools`; changes the job in place."""
    container = dict(containers(job))[STEP]
    payload = json.dumps(_custom_job(container, config), sort_keys=True)
    replaced = {
        "image": config.vertex.training.launcher,
        "command": ["python3", "-u", "-m", LAUNCHER],
        "args": [
            "--type", "CustomJob",
            "--payload", payload,
            "--project", config.vertex.project or "{{$.pipeline_google_cloud_project_id}}",
            "--location", config.vertex.region,
            # TFX refuses output parameters that are not artifacts, so the launcher's own goes to its own disk.
            "--gcp_resources", "/tmp/gcp_resources",  # noqa: S108
        ],
    }  # fmt: skip
    container.clear()
    container.update(replaced)


def _custom_job(container: Json, config: Config) -> Json:
    training = config.vertex.training
    scheduling: Json = {
        "timeout": f"{training.timeout_hours * 3600:.0f}s",
        "restart_job_on_worker_restart": training.restart_on_worker_restart,
    }
    if training.spot:
        scheduling["strategy"] = "SPOT"
    return make_custom_job(config, "trainer", [_pool(pool, container) for pool in training.pools], scheduling)


def _pool(pool: WorkerPool, container: Json) -> Json:
    made = make_pool(
        pool,
        pool.replicas,
        {
            "image_uri": pool.image or container["image"],
            "command": container["command"],
            "args": [_ESCAPED_INPUT if argument == "{{$}}" else argument for argument in container["args"]],
            "env": container.get("env", []),
        },
    )
    if pool.tpu_topology:
        made["machine_spec"]["tpu_topology"] = pool.tpu_topology
    return made
