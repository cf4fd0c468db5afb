"""The options that Beam gets, from the section `beam`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from hilir.pipeline.config.schema import Config
from hilir.pipeline.engine.dataflow import list_dataflow_options

# Without an image TFX builds a source distribution of itself for each Beam step; nothing here runs in a container.
_NO_IMAGE = "--sdk_container_image=unused"
# Else Beam's DirectRunner looks for a runner to download.
_IN_MEMORY = "--runner=FnApiRunner"
_FORKED = "--runner=hilir.components.processes.beam_workers.ForkRunner"
_CLUSTER = "--runner=hilir.components.processes.flink_runner.ClusterRunner"


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
            # One worker process for each task manager and job: with one for each core of a machine, which is what 0
            # means, task managers run out of memory (tfx#3256).
            options = [
                _CLUSTER,
                f"--parallelism={count_workers(config)}",
                "--sdk_worker_parallelism=1",
                _NO_IMAGE,
            ]
            if find_flink_master(config) is not None and find_environment(config) == "PROCESS":
                # Beam's own default is a container of an image in which neither TFX nor the project is.
                options += ["--environment_type=PROCESS", f"--environment_config={_describe_process()}"]
    return [*options, *config.beam.args]


def find_flink_master(config: Config) -> str | None:
    """Returns the address of the cluster that `beam.args` names, HOST:PORT; None: Beam starts one in a process here."""
    master = _find_given(config, "--flink_master")
    return None if master in (None, "[local]", "[auto]") else master


def find_environment(config: Config) -> str:
    """Returns what a task manager starts as Beam's worker: PROCESS unless `beam.args` say otherwise."""
    return _find_given(config, "--environment_type") or "PROCESS"


def _find_given(config: Config, option: str) -> str | None:
    # Without importing Beam, in its own way: the beginning of a name is enough, and the last one counts.
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument(option, dest="value")
    try:
        found: str | None = parser.parse_known_args(config.beam.args)[0].value
    except argparse.ArgumentError:
        return None
    return found


def find_worker_program() -> Path:
    """Returns the path of the program that a task manager starts as its worker, which is installed next to Python."""
    return Path(sys.executable).with_name("hilir-beam-worker")


def _describe_process() -> str:
    # User code is imported from the folders that the run imports it from.
    environment = {"PYTHONPATH": os.environ["PYTHONPATH"]} if os.environ.get("PYTHONPATH") else {}
    return json.dumps({"command": str(find_worker_program()), "env": environment})


def list_step_options(config: Config) -> list[str]:
    """Returns the options of a step on Vertex AI, which has a machine of its own; `beam.runner` plays no part."""
    return [_IN_MEMORY, _NO_IMAGE, *(config.beam.args if config.beam.runner == "local" else [])]
