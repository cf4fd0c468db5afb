"""The trigger of quality: a metric of the served version is worse than its bound in several windows in a row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hilir.pipeline.triggers.sources.monitored import (
    EVERY_SECONDS,
    Monitored,
    count_windows,
    find_monitored,
    fire_once,
    list_names,
)
from hilir.pipeline.triggers.sources.payload import Observation
from hilir.serving.monitor.window_summary import count_worse

_KINDS = ("realised", "estimated")


class Quality:
    """Fires once when the served version answers worse; quiet for a time after that, and after a new version."""

    name = "quality"

    def __init__(self, model: Path, monitor: Path, kind: str, windows: int, quiet_hours: float) -> None:
        """Watches what `hilir monitor run` stores.

        Args:
            model: the folder of the model's versions.
            monitor: the folder of the model's monitor.
            kind: `realised`, `estimated` or `any`.
            windows: in so many windows in a row.
            quiet_hours: time after a firing, and after the served version was made, in which there is none.
        """
        self._model, self._monitor = model, monitor
        self._kinds = _KINDS if kind == "any" else (kind,)
        self._windows, self._quiet = windows, quiet_hours * 3600

    def pause(self, now: datetime) -> float:
        """Returns the interval in seconds."""
        del now
        return EVERY_SECONDS

    def look(self, memory: Mapping[str, Any], now: datetime) -> Observation:
        """Fires for the served version's newest window if it is the last of enough windows worse than a bound."""
        found = find_monitored(self._model, self._monitor)
        if isinstance(found, str):
            return Observation((), dict(memory), found)
        version = found.served.version
        worse = self._worse(found)
        if not worse:
            note = f"version {version} has no metric worse than its bound in {count_windows(self._windows)}"
            return Observation((), dict(memory), note)
        why = f"{list_names(worse)} of version {version} worse than expected in {count_windows(self._windows)}"
        return fire_once("quality", why, found, memory, now, self._quiet, found.served.created.timestamp())

    def _worse(self, found: Monitored) -> list[str]:
        names = []
        for kind in self._kinds:
            streaks = count_worse(found.windows, kind)
            names += [f"{kind} {metric}" for (_, metric), count in sorted(streaks.items()) if count >= self._windows]
        return names
