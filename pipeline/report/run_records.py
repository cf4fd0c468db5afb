"""What is recorded of a run: its steps and the artifacts that they made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ArtifactRecord:
    """An artifact: where it is, and its properties (TFX's and our own)."""

    uri: str
    type: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class StepRecord:
    """One execution of one node; `inputs` are the URIs of the artifacts that it got."""

    node: str
    state: str
    began: float
    seconds: float
    outputs: Mapping[str, ArtifactRecord]
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRecord:
    """One run: its id, when it began (seconds since 1970), and its steps in the order they ran."""

    id: str
    began: float
    steps: tuple[StepRecord, ...]
