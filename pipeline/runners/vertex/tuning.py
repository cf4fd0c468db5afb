"""Trials at a time: TFX's Tuner for Vertex AI starts a custom job with one machine for each, and waits for it.

Its first machine also runs KerasTuner's chief, which gives out the trials and writes down the best
(tfx/extensions/google_cloud_ai_platform/tuner/executor.py). Trials leave nothing behind but their score, which goes
to the chief by gRPC, so the machines need no folder in common.
"""

from __future__ import annotations

from typing import Any

from tfx.extensions.google_cloud_ai_platform import constants
from tfx.extensions.google_cloud_ai_platform.tuner.executor import TUNING_ARGS_KEY

from pipeline.config.schema import Config
from pipeline.runners.vertex.custom_job import make_custom_job
from pipeline.runners.vertex.patches import ENVIRONMENT

Json = dict[str, Any]

STEP = "Tuner"


def make_tuning_config(config: Config) -> Json:
    """Returns what the extension's Tuner reads from its `custom_config`: the job, its project and its region."""
    vertex = config.vertex
    trials = config.train.tune.parallel_trials
    scheduling = {"timeout": f"{vertex.tuning.timeout_hours * 3600:.0f}s"}
    job = make_custom_job(config, "tuner", [_pool(config, 1), _pool(config, trials - 1)], scheduling)
    return {
        TUNING_ARGS_KEY: {"project": vertex.project, **job},
        constants.ENABLE_VERTEX_KEY: True,
        constants.VERTEX_REGION_KEY: vertex.region,
    }


def _pool(config: Config, replicas: int) -> Json:
    vertex, tuning = config.vertex, config.vertex.tuning
    machine: Json = {"machine_type": tuning.machine_type}
    if tuning.accelerator:
        machine |= {"accelerator_type": tuning.accelerator, "accelerator_count": tuning.accelerators}
    return {
        "machine_spec": machine,
        "replica_count": replicas,
        "disk_spec": {"boot_disk_size_gb": tuning.disk_gb},
        # The extension adds the command.
        "container_spec": {
            "image_uri": vertex.images.get(STEP, vertex.image),
            "env": [{"name": name, "value": value} for name, value in ENVIRONMENT.items()],
        },
    }
