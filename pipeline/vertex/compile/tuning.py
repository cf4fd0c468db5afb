"""Trials at a time: TFX's Tuner for Vertex AI starts a custom job with one machine for each, and waits for it.

Its first machine also runs KerasTuner's chief, which gives out the trials and writes down the best
(tfx/extensions/google_cloud_ai_platform/tuner/executor.py). Trials leave nothing behind but their score, which goes
to the chief by gRPC, so the machines need no folder in common.
"""

from __future__ import annotations

from typing import Any

from tfx.extensions.google_cloud_ai_platform import constants
from tfx.extensions.google_cloud_ai_platform.tuner.executor import TUNING_ARGS_KEY

from hilir.pipeline.config.schema import Config
from hilir.pipeline.engine.beam_options import list_step_options
from hilir.pipeline.graph import Platform
from hilir.pipeline.vertex.compile.custom_job import make_custom_job, make_pool
from hilir.pipeline.vertex.compile.patches import ENVIRONMENT

Json = dict[str, Any]

STEP = "Tuner"


def make_platform(config: Config) -> Platform:
    """Returns Vertex AI as the graph sees it: it records the runs itself, and has TFX's resolvers only."""
    parallel = config.train.tune.enabled and config.train.tune.parallel_trials > 1
    return Platform(
        metadata=None,
        own_resolvers=False,
        beam_options=list_step_options(config),
        tuner_job=_make_tuner_job(config) if parallel else None,
    )


def _make_tuner_job(config: Config) -> Json:
    """Returns what the extension's Tuner reads from its `custom_config`: the job, its project and its region."""
    vertex = config.vertex
    trials = config.train.tune.parallel_trials
    scheduling = {"timeout": f"{vertex.tuning.timeout_hours * 3600:.0f}s"}
    # The extension adds the command.
    container: Json = {
        "image_uri": vertex.images.get(STEP, vertex.image),
        "env": [{"name": name, "value": value} for name, value in ENVIRONMENT.items()],
    }
    pools = [make_pool(vertex.tuning, replicas, container) for replicas in (1, trials - 1)]
    job = make_custom_job(config, "tuner", pools, scheduling)
    return {
        TUNING_ARGS_KEY: {"project": vertex.project, **job},
        constants.ENABLE_VERTEX_KEY: True,
        constants.VERTEX_REGION_KEY: vertex.region,
    }
