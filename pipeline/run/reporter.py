"""Writes what others read of a run while it runs: its progress, and its report after each step."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hilir.pipeline.report.board import Board, Node
from hilir.pipeline.report.collector import Collector, Subject
from hilir.pipeline.report.document import write_document
from hilir.pipeline.report.page import write_report
from hilir.pipeline.report.progress_log import ProgressLog
from hilir.pipeline.report.run_records import RunRecord

logger = logging.getLogger(__name__)
_ENDED = ("done", "cached", "failed", "skipped")
# Shorter steps are reported together with the next one; and so many times as long as a report takes is between two.
_EVERY_SECONDS = 2.0
_TIMES = 40.0


class Reporter:
    """Listens to the board of one run; what goes wrong here is logged and never stops the run."""

    def __init__(self, subject: Subject, folder: Path, record: Callable[[], RunRecord | None]) -> None:
        """`record` returns what the metadata store has of the run."""
        self._subject, self._folder, self._record = subject, folder, record
        self._collector = Collector(subject)
        self._progress = ProgressLog(folder)
        self._lock = threading.Lock()
        self._written = time.monotonic()
        self._spent = self._last = 0.0

    def follow(self, board: Board) -> None:
        """Writes down the steps of the run, and from then on each change."""
        self._progress.note("start", model=self._subject.model, steps=list(board.nodes), edges=board.edges)
        board.listeners.append(lambda node: self._changed(board, node))

    def finish(self, board: Board, status: str, **more: Any) -> bool:
        """Writes the last report; `more` are further fields of the document. Returns whether it is written."""
        return self._write(board, status=status, **more)

    def close(self, status: str) -> None:
        """Writes down that the run has ended, when everything else is written."""
        self._progress.note("end", status=status, report_seconds=round(self._spent, 3))
        self._progress.close()

    def _changed(self, board: Board, node: Node) -> None:
        self._progress.note(
            "step", id=node.id, state=node.state, seconds=round(node.elapsed(), 3), made=dict(node.made)
        )
        wait = max(_EVERY_SECONDS, _TIMES * self._last)
        if node.state in _ENDED and time.monotonic() - self._written > wait:
            self._write(board, status="running")

    def _write(self, board: Board, **more: Any) -> bool:
        with self._lock:
            begun, written = time.monotonic(), False
            try:
                document = self._collector.collect(board, self._record(), spent=round(self._spent, 3), **more)
                write_document(document, self._folder)
                write_report(document, self._folder)
                written = True
            except Exception:
                logger.exception("the report of the run could not be written")
            self._written = time.monotonic()
            self._last = self._written - begun
            self._spent += self._last
            return written
