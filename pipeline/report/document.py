"""The report of a run as plain values: what its artifacts and its configuration say, collected while it runs.

It is kept as `report.json` in the run's folder. Pages, dashboard and terminal read that file, so that none of them
needs TensorFlow, and all of them show the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hilir.components.staging import write_file

SCHEMA = 1
NAME = "report.json"


@dataclass(frozen=True)
class Document:
    """A run.

    Attributes:
        run_id, model, command: its name, the model's, and what starts it again.
        status: `running`, `succeeded`, `not_blessed`, `failed` or `interrupted`.
        began: seconds since 1970; `seconds`: how long it took, or has taken so far.
        steps: `{id, state, seconds, made, outputs: [{name, type, uri}]}` in the order of the pipeline.
        edges: (step, step that waits for it).
        config: (dotted key, value, where it was set) of the effective configuration.
        evaluate, card: these sections of it.
        classes: the names of the classes, where they are known.
        statistics, anomalies, curves: as the readers in `artifacts` return them.
        data: the report of the data gate, with drift since the version pushed before.
        evaluation: as `artifacts.evaluation` returns it; empty where no model was evaluated.
        exports: the report of each export, by format.
        pushed: `{version, path, bytes, files}`; empty where nothing was.
        lineage: `data`, `code`, `packages`, `machine`.
        reasons: why it failed, or was not blessed; `warnings`: what the training noticed.
        rows: the evaluation's worst rows; empty unless `report.rows` is true.
        spent: seconds that collecting and writing the report took.
    """

    run_id: str
    model: str
    command: str = ""
    status: str = "running"
    began: float = 0.0
    seconds: float = 0.0
    steps: Sequence[Mapping[str, Any]] = ()
    edges: Sequence[Sequence[str]] = ()
    config: Sequence[Sequence[Any]] = ()
    evaluate: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    anomalies: Sequence[Mapping[str, Any]] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    exports: Mapping[str, Any] = field(default_factory=dict)
    pushed: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    reasons: Sequence[str] = ()
    warnings: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    spent: float = 0.0

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """The metrics by slice; empty where no model was evaluated."""
        found: Mapping[str, Mapping[str, float]] = self.evaluation.get("metrics", {})
        return found


def write_document(document: Document, folder: Path) -> None:
    """Writes `report.json` into the run's folder, complete when it is there."""
    import orjson

    content = {"schema": SCHEMA, **asdict(document)}
    write_file(folder / NAME, orjson.dumps(content, default=str, option=orjson.OPT_NON_STR_KEYS))


def read_document(folder: Path) -> Document | None:
    """Returns what `write_document` wrote into the run's folder; None where that cannot be read."""
    try:
        content = json.loads((folder / NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return None
    known = {each.name for each in fields(Document)}
    return Document(**{name: value for name, value in content.items() if name in known})
