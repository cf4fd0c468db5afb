"""What a submission starts from: a configuration, compiled now, or a compiled specification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hilir.pipeline.config.layers import Layer
from hilir.pipeline.config.vertex import VertexSection
from hilir.pipeline.errors import ConfigError

Json = dict[str, Any]

_MARKS = ("pipelineSpec", "deploymentSpec")


@dataclass(frozen=True)
class Source:
    """A pipeline job as JSON values, and where it is to run."""

    job: Json
    vertex: VertexSection


def load_source(path: str, overlays: Sequence[str], settings: Sequence[str]) -> Source:
    """Returns the job of a configuration or a specification, checked; no network is needed.

    A specification runs where and as whom it was compiled for, unless overlays and settings say otherwise.

    Raises:
        ConfigError: the file is neither, or something of it cannot run on Vertex AI.
    """
    if not is_specification(path):
        return _compile(path, overlays, settings)
    from hilir.pipeline.spec.specification import parse, read
    from hilir.pipeline.vertex.client.connect import load_vertex
    from hilir.pipeline.vertex.compile.identity import read_identity
    from hilir.pipeline.vertex.compile.lint import check_job

    job = read(Path(path))
    faults = check_job(job, values=False)
    if faults:
        raise ConfigError(faults)
    # What was checked is what is sent, whatever spelling the file has.
    job["pipelineSpec"] = parse(job).as_json()
    compiled = Layer(path, {"vertex": read_identity(job)})
    return Source(job, load_vertex(None, overlays, settings, compiled))


def is_specification(path: str) -> bool:
    """Returns whether the file contains a compiled pipeline; other files are taken for configurations."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if Path(path).suffix == ".json":
        return True
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    except (ValueError, RecursionError):
        # A date that no calendar has, or brackets without end: whoever reads such a file says so.
        return any(mark in text for mark in _MARKS)
    return isinstance(content, dict) and any(mark in content for mark in _MARKS)


def _compile(path: str, overlays: Sequence[str], settings: Sequence[str]) -> Source:
    from hilir.pipeline.config import load
    from hilir.pipeline.report.output_capture import reserved
    from hilir.pipeline.vertex.compile.job_file import compile_config

    loaded = load(path, overlays, settings)
    # TensorFlow greets on standard error.
    with reserved():
        job = compile_config(loaded.config)
    return Source(job, loaded.config.vertex)
