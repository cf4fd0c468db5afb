"""Reads why a step failed from its log."""

from __future__ import annotations

from pathlib import Path

from hilir.components.cause import describe, find_user_folders, read_cause

_TAIL_BYTES = 65536


def read_reason(log: Path) -> str:
    """Returns what the log says of the step's failure, and where the log is.

    That is the error of its last traceback, with its place in the user's files, else its last line.
    """
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    cause = read_cause(text, find_user_folders())
    if cause is not None:
        return f"{cause} (log: {log})" if cause.planned else describe(cause, log)
    printed = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("--- ")]
    return f"{printed[-1][:500]} (log: {log})" if printed else ""
