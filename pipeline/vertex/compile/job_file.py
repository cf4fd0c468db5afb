"""From a configuration to a job on disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hilir.components.staging import write_file
from hilir.components.tensorflow_environment import prepare_environment
from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError


def compile_config(config: Config) -> dict[str, Any]:
    """Returns the job of the configuration's pipeline; imports TFX and the model package.

    Raises:
        ConfigError: something of it cannot run on Vertex AI.
        ModelPackageError: the model package lacks something.
    """
    prepare_environment()
    from hilir.pipeline.graph import build
    from hilir.pipeline.inputs import find_inputs
    from hilir.pipeline.vertex.compile.compile import compile_pipeline
    from hilir.pipeline.vertex.compile.tuning import make_platform

    return compile_pipeline(build(config, find_inputs(config), make_platform(config)), config)


def serialize(job: dict[str, Any]) -> str:
    """Returns the job as JSON, keys sorted, so that two compilations can be compared as strings."""
    return json.dumps(job, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def check_output(path: str) -> None:
    """Raises ConfigError if the path is a folder's; called before the work, which takes seconds."""
    if Path(path).is_dir():
        raise ConfigError(f"--out {path}: is a folder; name a file in it, for example {Path(path) / 'pipeline.json'}")


def write_job(job: dict[str, Any], path: str) -> Path | None:
    """Writes the job, complete when it is there; returns the path, or None for standard output (`-`).

    Raises:
        ConfigError: it cannot be written; nothing is left behind.
    """
    if path == "-":
        sys.stdout.write(serialize(job))
        return None
    target = Path(path)
    check_output(path)
    try:
        write_file(target, serialize(job))
    except OSError as error:
        raise ConfigError(
            f"--out {path}: cannot be written ({error.strerror}); name a file in a folder that you may write to"
        ) from None
    return target
