"""What a gateway counted lately: snapshots of its counters, kept by the process that runs it.

Envoy's counters are sums since its start; the difference to an older snapshot is what happened in between.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hilir.serving.disk import write_atomically
from hilir.serving.gateway.counters import Counted, parse_all, parse_counters, subtract
from hilir.serving.releases.rollout_plan import Counts

RECENT_FILE = "recent.json"
"""In the gateway's folder."""
EVERY, KEEP = 30.0, 11
"""Seconds between two snapshots, and how many are kept: five minutes and what is needed to begin them."""


@dataclass(frozen=True)
class Window:
    """What was counted of a model in a time.

    Attributes:
        seconds: its length.
        counted: the counts in it.
    """

    seconds: float
    counted: Counted


class Recorder:
    """Keeps the snapshots of one gateway.

    Args:
        folder: the gateway's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / RECENT_FILE
        self._snapshots: list[dict[str, object]] = []
        self._due = time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time for the next snapshot."""
        return time.monotonic() >= self._due

    def record(self, page: str) -> None:
        """Keeps the counters of a page (`COUNTERS_PATH`); a folder that cannot be written to is left alone."""
        self._due = time.monotonic() + EVERY
        models = {
            model: {f"{version}/{arm}": counts.model_dump(mode="json") for (version, arm), counts in counted.items()}
            for model, counted in parse_all(page).items()
        }
        self._snapshots = [*self._snapshots, {"at": time.time(), "models": models}][-KEEP:]
        try:
            write_atomically(self._path, json.dumps(self._snapshots))
        except OSError:
            # Figures for people: requests matter more than they do.
            return


def read_window(folder: Path, model: str, page: str) -> Window | None:
    """Returns what was counted since the oldest snapshot; None where nothing was recorded by this gateway.

    Args:
        folder: the gateway's.
        model: whose counts.
        page: the counters as they are now.
    """
    try:
        snapshots = json.loads((folder / RECENT_FILE).read_bytes())
        oldest, newest = snapshots[0], snapshots[-1]
        seconds, age = time.time() - float(oldest["at"]), time.time() - float(newest["at"])
        before = {_key(name): Counts.model_validate(each) for name, each in oldest["models"].get(model, {}).items()}
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None
    if age > 3 * EVERY or seconds <= 0:
        return None
    return Window(seconds, difference(parse_counters(page, model), before))


def _key(name: str) -> tuple[int, str]:
    version, _, arm = name.partition("/")
    return int(version), arm


def difference(now: Mapping[tuple[int, str], Counts], before: Mapping[tuple[int, str], Counts]) -> Counted:
    """Returns what was counted in between, by version and arm; what was not is left out."""
    found = {key: subtract(counts, before.get(key, Counts())) for key, counts in now.items()}
    return {key: counts for key, counts in found.items() if counts.requests}
