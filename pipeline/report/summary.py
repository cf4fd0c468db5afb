"""What a run came to: metrics against the baseline, blessed or not and why, the version, the next command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hilir.pipeline.report.artifacts.evaluation import read_evaluation
from hilir.pipeline.report.board import Board
from hilir.pipeline.report.ingested import read_notes
from hilir.pipeline.report.run_records import RunRecord
from hilir.pipeline.report.terminal import show_number

# What `hilir serve` serves without --root.
_DEFAULT_ROOT = "out/models"

# How many notes about the data are printed at the end of a run.
_NOTES = 10


@dataclass(frozen=True)
class Summary:
    """The outcome of a run.

    `status` is `succeeded`, `not_blessed`, `failed` or `interrupted`; `blessed` is None where no model was evaluated;
    `metrics` and `baseline` are over all rows. `comparison` says what the model was compared with, or why with nothing;
    `plots` is what `components.evaluator.plots` reads; `notes` say what the ingest did with the data that its user may
    not expect; `report` is the path of the run's report.
    """

    run_id: str
    status: str
    blessed: bool | None
    reasons: list[str]
    version: int | None
    version_path: str | None
    metrics: dict[str, float]
    baseline: dict[str, float]
    nodes: list[dict[str, Any]]
    seconds: float
    exports: dict[str, Any] = field(default_factory=dict)
    comparison: dict[str, Any] = field(default_factory=dict)
    plots: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    report: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the object that `--json` prints; the plots are not in it."""
        return {
            "run_id": self.run_id,
            "status": self.status,
            "blessed": self.blessed,
            "reasons": self.reasons,
            "warnings": self.warnings,
            "notes": self.notes,
            "version": self.version,
            "version_path": self.version_path,
            "metrics": self.metrics,
            "baseline": self.baseline,
            "comparison": self.comparison,
            "data": self.data,
            "exports": self.exports,
            "nodes": self.nodes,
            "seconds": round(self.seconds, 3),
            "report": self.report,
        }


def summarize(board: Board, run: RunRecord | None, status: str, reasons: list[str]) -> Summary:
    """Returns the summary of the run that the board followed and the store recorded.

    Args:
        board: the nodes with their last states.
        run: what the metadata store has of it, None where it did not come that far.
        status: `succeeded`, `failed` or `interrupted`.
        reasons: why it failed; why a model was not blessed is added.
    """
    outputs = {name: artifact for step in (run.steps if run else ()) for name, artifact in step.outputs.items()}
    evaluation, blessing, pushed = (outputs.get(name) for name in ("evaluation", "blessing", "pushed_model"))
    blessing = next((a for a in outputs.values() if a.type == "ModelBlessing"), None)
    evaluated = _read_evaluation(evaluation.uri if evaluation and status == "succeeded" else None)
    is_pushed = pushed is not None and bool(pushed.properties.get("pushed"))
    blessed = bool(blessing.properties.get("blessed", 0)) if blessing and evaluated.metrics else None
    return Summary(
        run_id=board.run_id,
        status="not_blessed" if status == "succeeded" and blessed is False else status,
        blessed=blessed,
        reasons=reasons + evaluated.reasons,
        version=int(pushed.properties["pushed_version"]) if pushed and is_pushed else None,
        version_path=str(pushed.properties["pushed_destination"]) if pushed and is_pushed else None,
        metrics=evaluated.metrics,
        baseline=evaluated.baseline,
        comparison=evaluated.comparison,
        plots=evaluated.plots,
        warnings=_read_warnings(outputs),
        notes=read_notes(outputs),
        exports=_read_exports(outputs) if status == "succeeded" else {},
        data=_read_data(run),
        nodes=[
            {"id": node.id, "state": node.state, "seconds": round(node.elapsed(), 3)} for node in board.nodes.values()
        ],
        seconds=board.seconds(),
    )


@dataclass(frozen=True)
class _Evaluation:
    """What an evaluation says, over all rows; empty where there was none."""

    metrics: dict[str, float] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    comparison: dict[str, Any] = field(default_factory=dict)
    plots: dict[str, Any] = field(default_factory=dict)


def _read_evaluation(uri: str | None) -> _Evaluation:
    if uri is None:
        return _Evaluation()
    found = read_evaluation(uri)
    return _Evaluation(
        metrics=found["metrics"].get("overall", {}),
        baseline=found["baseline"].get("overall", {}),
        reasons=found["reasons"],
        comparison=found["comparison"],
        plots=found["plots"],
    )


def _read_data(run: RunRecord | None) -> dict[str, Any]:
    """Returns what the gate found in the data; empty where the run did not come that far."""
    from hilir.components.data_gate.findings import read_report

    gates = [step for step in (run.steps if run else ()) if step.node == "DataGate"]
    reports = [read_report(artifact.uri) for step in gates for artifact in step.outputs.values()]
    return next((asdict(report) for report in reports if report is not None), {})


def _read_warnings(outputs: dict[str, Any]) -> list[str]:
    """Returns what the training noticed of its data."""
    training = outputs.get("model_run")
    if training is None:
        return []
    from hilir.components.trainer.state.notes import read_notes

    return read_notes(training.uri)


def _read_exports(outputs: dict[str, Any]) -> dict[str, Any]:
    """Returns the lines about each variant and the names of those kept, by format."""
    from hilir.components.exporter.export_report import read_report
    from hilir.components.exporter.export_report import summarize as write_variants

    found = {}
    for artifact in outputs.values():
        if artifact.type.endswith(".ModelExport") and artifact.properties.get("format"):
            report = read_report(artifact.uri)
            kept = [name for name, figures in report["variants"].items() if figures["kept"]]
            found[report["format"]] = {"kept": kept, "variants": list(write_variants(report))}
    return dict(sorted(found.items()))


def serve_command(version_path: str) -> str:
    """Returns the command that serves the root in which a version is, below the current folder by its relative path."""
    root = os.path.dirname(os.path.dirname(version_path))
    if root.startswith(f"{os.getcwd()}/"):
        root = os.path.relpath(root)
    return "hilir serve" if root == _DEFAULT_ROOT else f"hilir serve --root {shlex.quote(root)}"


def _write_sample(version_path: str) -> Iterator[str]:
    """Yields the request to send to the server that was just named, where the version has one that is short enough."""
    from hilir.serving.sample_request import write_curl

    version = Path(version_path)
    line = write_curl(version, version.parent.name)
    if line is not None:
        yield f"then: {line}"


def _write_comparison(comparison: dict[str, Any]) -> Iterator[str]:
    """Yields what was not compared, and the thresholds that were not checked for it."""
    if comparison.get("skipped"):
        yield f"  (not compared with {comparison['baseline']}: {comparison['skipped']})"
    elif comparison and comparison["baseline"] is None:
        yield "  (no pushed model before this one to compare with)"
    if comparison.get("unchecked"):
        yield f"  (not checked: the bound on the change of {', '.join(comparison['unchecked'])})"


def write_lines(summary: Summary, command: str) -> Iterator[str]:
    """Yields the summary as lines for a person; `command` is what the user typed."""
    from hilir.components.data_gate.findings import write_lines as write_data

    yield ""
    if summary.data:
        yield from write_data(summary.data)
    yield from (f"warning: {warning}" for warning in summary.warnings)
    yield from (f"note: {note}" for note in summary.notes[:_NOTES])
    if len(summary.notes) > _NOTES:
        yield f"note: and {len(summary.notes) - _NOTES} more; type 'hilir runs show {summary.run_id}'"
    if summary.metrics:
        for name, value in sorted(summary.metrics.items()):
            before = summary.baseline.get(name)
            yield f"  {name:<16} {show_number(value):>12}{_write_change(value, before)}"
        yield from _write_comparison(summary.comparison)
        yield ""
    if summary.status == "not_blessed":
        yield "not blessed, not pushed:"
        yield from (f"  {reason}" for reason in summary.reasons)
        yield f"next: fix the model or the bound, then  {command}"
    elif summary.version is not None:
        for export in summary.exports.values():
            yield from (f"  {line}" for line in export["variants"])
        yield f"blessed; version {summary.version} is in {summary.version_path}"
        yield f"next: {serve_command(str(summary.version_path))}"
        yield from _write_sample(str(summary.version_path))
    elif summary.status == "succeeded":
        yield "the chosen steps are done"
    yield f"run {summary.run_id}, {summary.seconds:.1f} s"
    yield from write_report_line(summary)


def _write_change(value: float, before: float | None) -> str:
    if before is None:
        return ""
    change = f"change {show_number(value - before, '+')}" if value != before else "no change"
    return f"   baseline {show_number(before)}, {change}"


def write_report_line(summary: Summary) -> Iterator[str]:
    """Yields where the report of the run is, if it has one."""
    if summary.report is not None:
        yield f"report: {summary.report}"
