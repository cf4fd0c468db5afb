"""The report of a run that is over: as the run wrote it, or read anew from its artifacts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hilir.pipeline.config import LoadedConfig
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.report.document import NAME as DOCUMENT
from hilir.pipeline.report.document import Document, read_document, write_document
from hilir.pipeline.report.page import NAME, write_report
from hilir.pipeline.report.progress_log import read_progress


def read_run(folder: Path) -> Document:
    """Returns the report that the run wrote; one that ended without writing down how was killed.

    Raises:
        ConfigError: there is none.
    """
    document = read_document(folder)
    if document is None:
        raise ConfigError(
            f"{folder}: the run has no report; 'hilir report {folder.name} --anew' makes it from the run's artifacts"
        )
    if document.status == "running" and not read_progress(folder).running:
        reason = (
            f"the process ended without a message: it was killed, or the machine went down; see {folder / 'log.txt'}"
        )
        document = replace(document, status="killed", reasons=(reason,))
    return document


def write_page(folder: Path) -> Path:
    """Writes the page of a run that has a report, and returns its path; that of a run at work is as the run wrote it.

    Raises:
        ConfigError: the run has no report, or a damaged one.
    """
    document = read_run(folder)
    if document.status != "running":
        with as_written(folder):
            write_report(document, folder)
    return folder / NAME


@contextmanager
def as_written(*folders: Path) -> Iterator[None]:
    """Makes what is drawn from the reports of runs, which somebody else may have changed since.

    Raises:
        ConfigError: one of them is not as its run wrote it.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = " or ".join(str(folder / DOCUMENT) for folder in folders)
        raise ConfigError(
            f"{what}: is not as the run wrote it ({type(error).__name__}: {error}); "
            f"'hilir report {folders[-1].name} --anew' makes it from the run's artifacts"
        ) from None


def collect_anew(loaded: LoadedConfig, folder: Path, slices: Sequence[str] = ()) -> Path:
    """Reads the run's artifacts again, writes its report, and returns the path of the page.

    Args:
        loaded: the run's configuration.
        folder: the run's.
        slices: whose plots the report shows, next to those over all rows.

    Raises:
        ConfigError: the metadata store has no such run, or the evaluation no plots of such a slice.
    """
    from hilir.pipeline.report import step_figures
    from hilir.pipeline.report.board import Board
    from hilir.pipeline.report.collector import Collector, Subject
    from hilir.pipeline.run.past.history import find_record

    record = find_record(loaded.config, folder.name)
    made = {artifact.uri: step.node for step in record.steps for artifact in step.outputs.values()}
    edges = {
        (made[uri], step.node) for step in record.steps for uri in step.inputs if made.get(uri, step.node) != step.node
    }
    board = Board(folder.name, [step.node for step in record.steps], sorted(edges))
    for step in record.steps:
        node = board.nodes[step.node]
        node.state, node.seconds, node.made = step.state, step.seconds, step_figures.describe(step.outputs)  # type: ignore[assignment]
    before, ended = read_document(folder), _read_summary(folder)
    subject = Subject(
        loaded.config.model.name, f"hilir run {folder / 'config.yaml'}", loaded.values, tuple(loaded.origins())
    )
    document = Collector(subject, slices).collect(
        board, record, status=ended.get("status", "killed"), reasons=ended.get("reasons", []),
    )  # fmt: skip
    _check_slices(document, slices)
    document = replace(document, began=record.began, seconds=ended.get("seconds") or 0.0)
    if before is not None:
        # What artifacts do not say: where values were set, and the code that ran.
        document = replace(
            document,
            config=before.config,
            command=before.command,
            lineage=before.lineage,
            edges=before.edges,
            spent=before.spent,
        )
    write_document(document, folder)
    write_report(document, folder)
    return folder / NAME


def _check_slices(document: Document, slices: Sequence[str]) -> None:
    for name in slices:
        if name not in document.evaluation.get("slice_plots", {}):
            known = [part for part in document.metrics if part != "overall"]
            raise ConfigError(
                f"the run has no plots of a slice '{name}'; it has the slices {', '.join(known) or 'none'}"
                + ("" if document.evaluation.get("plots") else ", and evaluate.plots was off, or nothing to plot")
            )


def _read_summary(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
