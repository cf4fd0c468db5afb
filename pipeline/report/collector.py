"""Collects the report of a run from what its metadata store has, a step at a time."""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hilir.pipeline.report.artifacts.anomalies import read_anomalies
from hilir.pipeline.report.artifacts.curves import read_curves
from hilir.pipeline.report.artifacts.evaluation import read_evaluation
from hilir.pipeline.report.artifacts.statistics import read_statistics
from hilir.pipeline.report.board import Board
from hilir.pipeline.report.document import Document
from hilir.pipeline.report.run_records import ArtifactRecord, RunRecord, StepRecord

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """What is known of a run before it starts.

    Attributes:
        model: its model.
        command: what starts it again.
        values: the effective configuration; empty where there is none.
        config: (dotted key, value, where it was set) of each value.
    """

    model: str
    command: str
    values: Mapping[str, Any] = field(default_factory=dict)
    config: tuple[tuple[str, Any, str], ...] = ()


class Collector:
    """Reads each artifact once."""

    def __init__(self, subject: Subject, slices: Sequence[str] = ()) -> None:
        """`slices` are those whose plots the report shows too."""
        self._subject = subject
        self._readers = _READERS | {"evaluation": lambda artifact: _evaluation(artifact, slices)}
        self._worst: list[dict[str, Any]] | None = None
        self._read: dict[str, dict[str, Any]] = {}

    def collect(self, board: Board, record: RunRecord | None, **more: Any) -> Document:
        """Returns the report of the run as far as it is.

        Args:
            board: the steps with their states.
            record: what the metadata store has.
            more: further fields of the document, such as `status`.
        """
        steps = {step.node: step for step in (record.steps if record else ())}
        found: dict[str, Any] = {}
        for step in steps.values():
            for name, artifact in step.outputs.items():
                parts = self._parts(name, artifact)
                exports = {**found.get("exports", {}), **parts.get("exports", {})}
                found |= parts | ({"exports": exports} if exports else {})
        values = self._subject.values
        lineage = {"data": found.pop("source", {}), **board.about, "machine": _describe_machine()}
        return Document(
            run_id=board.run_id,
            model=self._subject.model,
            command=self._subject.command,
            began=board.started_at,
            seconds=round(board.seconds(), 3),
            steps=[_describe_step(board, name, steps.get(name)) for name in board.nodes],
            edges=[list(edge) for edge in board.edges],
            config=[list(line) for line in self._subject.config],
            evaluate=values.get("evaluate", {}),
            card=values.get("card", {}),
            lineage=lineage,
            rows=self._rows(steps),
            **{"classes": values.get("export", {}).get("labels", []), **found, **more},
        )

    def _rows(self, steps: Mapping[str, StepRecord]) -> list[dict[str, Any]]:
        """Returns the worst rows of a model that was evaluated, if the configuration asks for them."""
        outputs = {name: artifact for step in steps.values() for name, artifact in step.outputs.items()}
        if not self._subject.values.get("report", {}).get("rows") or "evaluation" not in outputs:
            return []
        if self._worst is None:
            from hilir.pipeline.report.artifacts.worst_rows import find_worst_rows

            try:
                self._worst = find_worst_rows(outputs["model"].uri, outputs["examples"].uri)
            except Exception:
                logger.exception("the report has no worst rows")
                self._worst = []
        return self._worst

    def _parts(self, name: str, artifact: ArtifactRecord) -> dict[str, Any]:
        if artifact.uri not in self._read:
            reader = self._readers.get(name) or self._readers.get(artifact.type.rpartition(".")[2])
            try:
                self._read[artifact.uri] = reader(artifact) if reader else {}
            except Exception:
                # What cannot be read is missing from the report; the run itself is not concerned.
                logger.exception("the report has no '%s': %s cannot be read", name, artifact.uri)
                self._read[artifact.uri] = {}
        return self._read[artifact.uri]


def _describe_step(board: Board, name: str, step: StepRecord | None) -> dict[str, Any]:
    node = board.nodes[name]
    outputs = step.outputs.items() if step else ()
    return {
        "id": name,
        "state": node.state,
        "seconds": round(node.elapsed(), 3),
        "made": node.made,
        "outputs": [{"name": each, "type": artifact.type, "uri": artifact.uri} for each, artifact in outputs],
    }


def _describe_machine() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _examples(artifact: ArtifactRecord) -> dict[str, Any]:
    names = {"span": "span", "version": "version", "input_fingerprint": "fingerprint", "rows": "rows"}
    found = {new: artifact.properties[old] for old, new in names.items() if artifact.properties.get(old) is not None}
    if str(found.get("span")) == "0":
        # TFX's word for data without spans.
        del found["span"]
    if "rows" in found:
        found["rows"] = json.loads(found["rows"])
    return {"source": {**found, "examples": artifact.uri}}


def _statistics(artifact: ArtifactRecord) -> dict[str, Any]:
    return {"statistics": read_statistics(artifact.uri)}


def _anomalies(artifact: ArtifactRecord) -> dict[str, Any]:
    return {"anomalies": read_anomalies(artifact.uri, artifact.properties)}


def _data_report(artifact: ArtifactRecord) -> dict[str, Any]:
    from hilir.components.data_gate.findings import read_report

    report = read_report(artifact.uri)
    return {"data": asdict(report)} if report else {}


def _training(artifact: ArtifactRecord) -> dict[str, Any]:
    from hilir.components.trainer.state.notes import read_notes

    return {"curves": read_curves(artifact.uri), "warnings": read_notes(artifact.uri)}


def _model(artifact: ArtifactRecord) -> dict[str, Any]:
    from hilir.components.trainer.export.class_names import find_only_classes

    classes = find_only_classes(f"{artifact.uri}/Format-Serving")
    return {"classes": list(classes)} if classes else {}


def _evaluation(artifact: ArtifactRecord, slices: Sequence[str]) -> dict[str, Any]:
    return {"evaluation": read_evaluation(artifact.uri, slices)}


def _pushed(artifact: ArtifactRecord) -> dict[str, Any]:
    if not artifact.properties.get("pushed"):
        return {}
    path = str(artifact.properties["pushed_destination"])
    found = {"version": int(artifact.properties["pushed_version"]), "path": path}
    manifest = Path(path) / "manifest.json"
    if not manifest.is_file():
        return {"pushed": found}
    content = json.loads(manifest.read_text(encoding="utf-8"))
    named = list(content.get("classes", {}).values())
    # Of several labels nothing says here which one a chart is about.
    classes: list[str] = named[0] if len(named) == 1 else []
    found |= {
        "created": content.get("created"),
        "bytes": sum(file["bytes"] for file in content.get("files", {}).values()),
        "packages": content.get("packages", {}),
        "run_id": content.get("run_id"),
    }
    return {"pushed": found} | ({"classes": classes} if classes else {})


def _export(artifact: ArtifactRecord) -> dict[str, Any]:
    from hilir.components.exporter.export_report import read_report

    if not artifact.properties.get("format"):
        return {}
    report = read_report(artifact.uri)
    return {"exports": {report["format"]: report}}


# By the name of the output, else by the type of the artifact.
_READERS: dict[str, Callable[[ArtifactRecord], dict[str, Any]]] = {
    "examples": _examples,
    "statistics": _statistics,
    "anomalies": _anomalies,
    "model": _model,
    "model_run": _training,
    "DataBlessing": _data_report,
    "ModelExport": _export,
    "PushedModel": _pushed,
}
