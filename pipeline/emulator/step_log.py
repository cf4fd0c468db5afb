"""Reads why a step failed from its log."""

from __future__ import annotations

import re
from pathlib import Path

_TAIL_BYTES = 65536
_LINES = 15
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*: .*|[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)")
# Errors whose message is the whole text for the user.
_OURS = "hilir.components.errors."
# Lines of logs that may follow a traceback: glog's and absl's.
_LOGGED = re.compile(r"[IWEF]\d{4} ")


def read_reason(log: Path) -> str:
    """Returns the message of the last exception in the log, or its last line; empty where there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    starts = [number for number, line in enumerate(lines) if line.strip() == _TRACEBACK]
    if starts:
        for number in range(starts[-1] + 1, len(lines)):
            if _EXCEPTION.fullmatch(lines[number]):
                return _message(lines[number:])
    said = [line.strip() for line in lines if line.strip() and not line.startswith("--- ")]
    return said[-1][:500] if said else ""


def _message(lines: list[str]) -> str:
    if not lines[0].startswith(_OURS):
        return lines[0][:500]
    message = [lines[0].partition(": ")[2]]
    for line in lines[1:_LINES]:
        if _LOGGED.match(line) or not line.strip():
            break
        message.append(line)
    return "\n".join(message)
