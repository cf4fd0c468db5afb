"""The options that Beam gets, from the section `beam`."""

from __future__ import annotations

import os

from hilir.pipeline.config.schema import Config
from hilir.pipeline.engine.dataflow import list_dataflow_options

# Without an image TFX builds a source distribution of itself for each Beam step; nothing here runs in a container.
_NO_IMAGE = "--sdk_container_image=unused"
# Else Beam's DirectRunner looks for a runner to download.
_IN_MEMORY = "--runner=FnApiRunner"
_FORKED = "--runner=hilir.components.processes.beam_workers.ForkRunner"


def count_workers(config: Config) -> int:
    """Returns how many processes or machines work; without `beam.workers` as many as there are cores here."""
    return config.beam.workers or os.cpu_count() or 1


def list_run_options(config: Config) -> list[str]:
    """Returns the options for `hilir run`, `beam.args` last."""
    match config.beam.runner:
        case "local":
            options = [_IN_MEMORY, _NO_IMAGE]
        case "multiprocess":
            options = [_FORKED, f"--direct_num_workers={count_workers(config)}", _NO_IMAGE]
        case "dataflow":
            options = list_dataflow_options(config, str(config.vertex.image), config.beam.workers)
        case "flink":
            # Users complain about a worker process that serves several slots and runs out of memory (tfx#3256).
            options = [
                "--runner=FlinkRunner",
                f"--parallelism={count_workers(config)}",
                "--sdk_worker_parallelism=1",
                _NO_IMAGE,
            ]
    return [*options, *config.beam.args]


def list_step_options(config: Config) -> list[str]:
    """Returns the options of a step on Vertex AI, which has a machine of its own; `beam.runner` plays no part."""
    return [_IN_MEMORY, _NO_IMAGE, *(config.beam.args if config.beam.runner == "local" else [])]
