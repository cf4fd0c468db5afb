"""The trigger of drift: the served version's traffic differs from its training data in several windows in a row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hilir.analysis.drift import Level
from hilir.pipeline.triggers.sources.monitored import (
    EVERY_SECONDS,
    Monitored,
    count_windows,
    find_monitored,
    fire_once,
    list_names,
)
from hilir.pipeline.triggers.sources.payload import Observation
from hilir.serving.monitor.window_summary import count_streaks


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
        """Returns the interval in seconds."""
        del now
        return EVERY_SECONDS

    def look(self, memory: Mapping[str, Any], now: datetime) -> Observation:
        """Fires for the newest window of the served version if that is the last of enough windows with drift."""
        found = find_monitored(self._model, self._monitor)
        if isinstance(found, str):
            return Observation((), dict(memory), found)
        drifted, version = self._drifted(found), found.served.version
        if not drifted:
            note = f"version {version} has no feature at {self._level.name.lower()} in {count_windows(self._windows)}"
            return Observation((), dict(memory), note)
        why = (
            f"{list_names(drifted)} of version {version} differ{'s' if len(drifted) == 1 else ''} from the training "
            f"data in {count_windows(self._windows)}"
        )
        return fire_once("drift", why, found, memory, now, self._quiet)

    def _drifted(self, found: Monitored) -> list[str]:
        """Returns the features, the worst in the newest window first."""
        streaks = count_streaks(found.windows, self._level)
        order = [(found.served.version, each.kind, each.name) for each in found.windows[-1].result.features]
        return [key[2] for key in order if streaks[key] >= self._windows]
