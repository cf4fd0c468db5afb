"""From a configuration to a job on disk."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from pipeline.config.schema import Config


def compile_config(config: Config) -> dict[str, Any]:
    """Returns the job of the configuration's pipeline; imports TFX and the model package.

    Raises:
        ConfigError: something of it cannot run on Vertex AI.
        ModelPackageError: the model package lacks something.
    """
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from pipeline.graph import build
    from pipeline.inputs import find_facts
    from pipeline.runners.vertex.compile import compile_pipeline

    return compile_pipeline(build(config, find_facts(config), None), config)


def serialize(job: dict[str, Any]) -> str:
    """Returns the job as JSON, keys sorted, so that two compilations can be compared as texts."""
    return json.dumps(job, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_job(job: dict[str, Any], path: str) -> Path | None:
    """Writes the job beside and renames it; returns the path, or None for standard output (`-`)."""
    if path == "-":
        sys.stdout.write(serialize(job))
        return None
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}-", delete=False) as file:
        file.write(serialize(job))
    Path(file.name).chmod(0o644)
    Path(file.name).rename(target)
    return target
