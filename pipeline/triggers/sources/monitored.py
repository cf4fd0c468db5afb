"""What `hilir monitor run` found about the version that is served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hilir.pipeline.triggers.sources.payload import CLOCK_MOVED, Firing, Observation, Payload, What, recall
from hilir.pipeline.triggers.sources.served_version import Served, find_served
from hilir.serving.monitor.window_store import MonitorStore, StoredWindow, has_state

EVERY_SECONDS = 10.0
"""Short compared with a window."""
_WINDOWS = 200


@dataclass(frozen=True)
class Monitored:
    """The served version and its closed windows, the oldest first; at least one."""

    served: Served
    windows: list[StoredWindow]

    @property
    def newest(self) -> int:
        """The number of the newest window."""
        return self.windows[-1].id


def find_monitored(model: Path, monitor: Path) -> Monitored | str:
    """Returns the windows of the served version, or why there are none.

    Args:
        model: the folder of the model's versions.
        monitor: the folder of the model's monitor.
    """
    if not has_state(monitor):
        return f"no monitor has run in {monitor} yet; start 'hilir monitor run'"
    served = find_served(model)
    if served is None:
        return f"no version is below {model} yet"
    windows = [each for each in MonitorStore(monitor).windows(limit=_WINDOWS) if each.version == served.version]
    return Monitored(served, windows) if windows else f"version {served.version} has no window yet"


def fire_once(
    name: What, why: str, found: Monitored, memory: Mapping[str, Any], now: datetime, quiet: float, made: float = 0.0
) -> Observation:
    """Returns a firing for the newest window; none if it has fired, or in the quiet time after the last one.

    Args:
        memory: `fired` is the time of the last firing, `window` its window.
        quiet: in seconds.
        made: a time (s since 1970) that quiet time follows too.
    """
    at = now.timestamp()
    fired = recall(float(memory.get("fired", 0)), at)
    last = max(fired, made if made <= at + CLOCK_MOVED else 0.0)
    if found.newest <= int(memory.get("window", 0)) or at < last + quiet:
        kept = dict(memory) | ({"fired": fired} if fired else {})
        return Observation((), kept, f"{why}; quiet after the last run")
    firing = Firing(f"{name}:{found.served.version}:{found.newest}", Payload(name, why))
    return Observation((firing,), {"fired": now.timestamp(), "window": found.newest}, why)


def count_windows(number: int) -> str:
    """Returns how many windows in a row, in words."""
    return "the newest window" if number == 1 else f"{number} windows in a row"


def list_names(names: list[str], most: int = 3) -> str:
    """Returns the first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
