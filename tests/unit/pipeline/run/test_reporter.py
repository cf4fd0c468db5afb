"""What others read of a run while it runs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hilir.pipeline.report.board import Board
from hilir.pipeline.report.collector import Subject
from hilir.pipeline.report.document import read_document
from hilir.pipeline.report.page import NAME
from hilir.pipeline.report.progress_log import read_progress
from hilir.pipeline.report.run_records import RunRecord
from hilir.pipeline.run.reporter import Reporter

SUBJECT = Subject("taxi", "hilir run taxi.yaml", {"evaluate": {}}, (("train.epochs", 1, "taxi.yaml"),))


def test_steps_and_figures_are_written_as_they_come(tmp_path: Path) -> None:
    reporter = Reporter(SUBJECT, tmp_path, lambda: None)
    board = Board("taxi-1", ["A", "B"], [("A", "B")])
    reporter.follow(board)
    board.start("A")
    board.report("A", {"epoch": "1/2", "loss": 0.5})
    board.finish("A", "done", {"rows": {"train": 3}})
    board.finish("B", "skipped")
    progress = read_progress(tmp_path)
    assert [(step["id"], step["state"]) for step in progress.steps] == [("A", "done"), ("B", "skipped")]
    assert progress.history["A"] == [{"epoch": "1/2", "loss": 0.5}]
    assert progress.edges == [["A", "B"]]
    assert progress.status == ""
    assert reporter.finish(board, "failed", reasons=["B: <no>"])
    reporter.close("failed")
    assert read_progress(tmp_path).status == "failed"
    document = read_document(tmp_path)
    assert document is not None
    assert document.reasons == ["B: <no>"]
    assert document.config == [["train.epochs", 1, "taxi.yaml"]]
    assert "B: &lt;no&gt;" in (tmp_path / NAME).read_text()


def test_a_report_that_cannot_be_written_stops_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> RunRecord | None:
        raise OSError("the store is gone")

    reporter = Reporter(SUBJECT, tmp_path, fail)
    board = Board("taxi-1", ["A"])
    reporter.follow(board)
    board.start("A")
    board.finish("A", "done")
    with caplog.at_level(logging.ERROR):
        assert not reporter.finish(board, "succeeded")
    reporter.close("succeeded")
    assert "the report of the run could not be written" in caplog.text
    assert read_progress(tmp_path).status == "succeeded"
