"""`progress.jsonl` in the folder of a run: each change of a step is a line, for whoever watches from outside.

The run holds a lock of the kernel on the file as long as it lives, so that a run that was killed is not taken for one
that still runs.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "progress.jsonl"


class ProgressLog:
    """Appends lines; one process writes."""

    def __init__(self, folder: Path) -> None:
        """Makes the file in the run's folder and locks it."""
        self._file = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._lock = threading.Lock()
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def note(self, event: str, **values: Any) -> None:
        """Appends `{event, time, …}` in one write."""
        line = json.dumps({"event": event, "time": round(time.time(), 3), **values}, default=str, ensure_ascii=False)
        # A full disk is reported by the step that needs it.
        with self._lock, suppress(OSError):
            os.write(self._file, f"{line}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Lets go of the file: the run has ended."""
        os.close(self._file)


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        running: whether its process lives.
        began: seconds since 1970, None where nothing is known.
        ended: the same; None while it runs, or where it was killed.
        status: how it ended, '' where it did not.
        steps: `{id, state, seconds, made, since}` in the order of the pipeline; `since`: when it started.
        history: per step the figures that it reported, in order, such as the loss after each epoch.
    """

    running: bool = False
    began: float | None = None
    ended: float | None = None
    status: str = ""
    model: str = ""
    steps: Sequence[Mapping[str, Any]] = ()
    edges: Sequence[Sequence[str]] = ()
    history: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def read_progress(folder: Path) -> Progress:
    """Returns how far the run of that folder is; nothing is known of one without the file."""
    try:
        with open(folder / NAME, "rb") as file:
            running = _is_locked(file.fileno())
            lines = file.read().splitlines()
    except OSError:
        return Progress()
    events = [event for event in map(_parse, lines) if event is not None]
    first = next((event for event in events if event["event"] == "start"), {})
    last = next((event for event in events if event["event"] == "end"), {})
    steps: dict[str, dict[str, Any]] = {
        name: {"id": name, "state": "waiting", "seconds": 0.0, "made": {}, "since": None}
        for name in first.get("steps", [])
    }
    history: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        if event["event"] != "step" or event.get("id") not in steps:
            continue
        step = steps[event["id"]]
        if event["state"] == "running":
            step["since"] = step["since"] or event["time"]
            if event["made"]:
                history.setdefault(event["id"], []).append(event["made"])
        step |= {name: event[name] for name in ("state", "seconds", "made")}
    return Progress(
        running=running,
        began=first.get("time"),
        ended=last.get("time"),
        status=last.get("status", ""),
        model=first.get("model", ""),
        steps=list(steps.values()),
        edges=first.get("edges", []),
        history=history,
    )


def _is_locked(file: int) -> bool:
    """Returns whether another process holds the lock of an open file."""
    try:
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _parse(line: bytes) -> dict[str, Any] | None:
    """Returns a line's object; None for one that a crash cut off."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found and "time" in found else None
