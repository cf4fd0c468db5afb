"""Follows a local run through TFX's own log messages, which name each step as it begins and ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hilir.pipeline.report.board import Board

_BEGINS = "Component %s is running."
_ENDS = "Component %s is finished."
_SKIPS = "Skipping component %s."


class Progress(logging.Handler):
    """Writes to the board what the log tells.

    LocalDagRunner has no hooks; its three messages (tfx/orchestration/local/local_dag_runner.py) are stable over many
    releases and a test holds them.
    """

    def __init__(self, board: Board, outcome: Callable[[str], tuple[Any, dict[str, Any]]]) -> None:
        """`outcome` returns the state of a finished step and what it made."""
        super().__init__(logging.INFO)
        self._board = board
        self._outcome = outcome

    def emit(self, record: logging.LogRecord) -> None:
        """Reads one record."""
        figures = getattr(record, "progress", None)
        if isinstance(figures, dict):
            running = self._board.running()
            if running is not None:
                self._board.report(running, figures)
        elif record.msg == _BEGINS and record.args:
            self._board.start(str(record.args[0]))  # type: ignore[index]
        elif record.msg == _ENDS and record.args:
            name = str(record.args[0])  # type: ignore[index]
            self._board.finish(name, *self._outcome(name))
        elif record.msg == _SKIPS and record.args:
            self._board.finish(str(record.args[0]), "skipped")  # type: ignore[index]
