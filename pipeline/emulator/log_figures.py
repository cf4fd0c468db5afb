"""Reads figures of a running step from its log, for the live table."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What `report_progress` of components/trainer/callbacks.py logs: `callbacks.py:54] epoch 3/60, loss 0.9`
_LINE = re.compile(rb"^I\d{4} .* callbacks\.py:\d+\] (.+)$")


class Follower:
    """Passes on the figures that were added to a log since the last look."""

    def __init__(self, log: Path, report: Callable[[dict[str, Any]], None]) -> None:
        """Starts at the present end of the log."""
        self._log, self._report = log, report
        self._position = log.stat().st_size if log.exists() else 0

    def report_new(self) -> None:
        """Reports the latest figures, if there are new ones."""
        if not self._log.exists() or self._log.stat().st_size == self._position:
            return
        with self._log.open("rb") as file:
            file.seek(self._position)
            text = file.read()
        end = text.rfind(b"\n") + 1
        self._position += end
        figures: dict[str, Any] = {}
        for line in text[:end].splitlines():
            found = _LINE.match(line)
            if found:
                figures |= parse_figures(found.group(1).decode("utf-8", "replace"))
        if figures:
            self._report(figures)


def parse_figures(text: str) -> dict[str, Any]:
    """Returns `epoch 3/60, loss 0.9288` as names and values; parts of another form are left out."""
    figures: dict[str, Any] = {}
    for part in text.split(", "):
        name, _, value = part.rpartition(" ")
        if name:
            try:
                figures[name] = float(value)
            except ValueError:
                figures[name] = value
    return figures
