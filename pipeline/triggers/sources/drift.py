"""The trigger of drift: the served version's traffic differs from its training data in several windows in a row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hilir.analysis.drift import Level
from hilir.pipeline.triggers.sources.payload import Firing, Observation, Payload
from hilir.pipeline.triggers.sources.served import find_served
from hilir.serving.monitor.store import MonitorStore, StoredWindow, has_state
from hilir.serving.monitor.summary import count_streaks

_EVERY_SECONDS = 30.0
_WINDOWS = 200
_NAMED = 3


class Drift:
    """Fires once when a feature of the served version has drifted, and again only after a quiet time."""

    name = "drift"

    def __init__(self, model: Path, monitor: Path, level: str, windows: int, quiet_hours: float) -> None:
        """Watches what `hilir monitor run` stores.

        Args:
            model: the folder of the model's versions.
            monitor: the folder of the model's monitor.
            level: `warn` or `alarm`.
            windows: in so many windows in a row.
            quiet_hours: time after a firing in which there is no other.
        """
        self._model, self._monitor = model, monitor
        self._level, self._windows, self._quiet = Level[level.upper()], windows, quiet_hours * 3600

    def pause(self, now: datetime) -> float:
        """Returns an interval in seconds that is short compared with a window."""
        del now
        return _EVERY_SECONDS

    def look(self, memory: Mapping[str, Any], now: datetime) -> Observation:
        """Fires for the newest window of the served version if that is the last of enough windows with drift."""
        memory = dict(memory)
        if not has_state(self._monitor):
            return Observation((), memory, f"no monitor has run in {self._monitor} yet; start 'hilir monitor run'")
        served = find_served(self._model)
        if served is None:
            return Observation((), memory, f"no version is below {self._model} yet")
        windows = [w for w in MonitorStore(self._monitor).windows(limit=_WINDOWS) if w.version == served.version]
        if not windows:
            return Observation((), memory, f"version {served.version} has no window yet")
        drifted = self._drifted(windows)
        newest = windows[-1]
        if not drifted:
            note = f"version {served.version} has no feature with {self._windows} windows at {self._level.name.lower()}"
            return Observation((), memory, note)
        named = ", ".join(drifted[:_NAMED]) + (f" and {len(drifted) - _NAMED} more" if len(drifted) > _NAMED else "")
        why = (
            f"{named} of version {served.version} differ{'s' if len(drifted) == 1 else ''} from the training data "
            f"in {self._windows} windows in a row"
        )
        quiet_until = float(memory.get("fired", 0)) + self._quiet
        if newest.id <= int(memory.get("window", 0)) or now.timestamp() < quiet_until:
            return Observation((), memory, f"{why}; this was reported already")
        firing = Firing(f"drift:{served.version}:{newest.id}", Payload("drift", why))
        return Observation((firing,), {"fired": now.timestamp(), "window": newest.id}, why)

    def _drifted(self, windows: list[StoredWindow]) -> list[str]:
        """Returns the features, the worst in the newest window first."""
        streaks = count_streaks(windows, self._level)
        order = [(windows[-1].version, each.kind, each.name) for each in windows[-1].result.features]
        return [key[2] for key in order if streaks[key] >= self._windows]
