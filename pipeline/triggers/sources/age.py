"""The trigger of age: the served model was made too long ago, or there is none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hilir.pipeline.triggers.sources.payload import CLOCK_MOVED, Firing, Observation, Payload, recall
from hilir.pipeline.triggers.sources.served_version import find_served

_MOST_SECONDS = 60.0


class ModelAge:
    """Fires when the served version gets older than a limit, and again after each further limit that it stays."""

    name = "age"

    def __init__(self, model: Path, hours: float) -> None:
        """`model`: the folder of the model's versions. `hours`: the limit."""
        self._model, self._limit = model, timedelta(hours=hours)

    def pause(self, now: datetime) -> float:
        """Returns an interval in seconds that is short compared with the limit."""
        del now
        return max(1.0, min(_MOST_SECONDS, self._limit.total_seconds() / 10))

    def look(self, memory: Mapping[str, Any], now: datetime) -> Observation:
        """Fires for a version once per limit that has passed since it was made; without one, now and once per limit."""
        served = find_served(self._model)
        if served is None:
            why = f"no version is below {self._model} yet"
            since = recall(memory.get("none_since", now.timestamp()), now.timestamp())
            times = int((now.timestamp() - since) / self._limit.total_seconds())
            return Observation(
                (Firing(f"age:none:{since:.0f}:{times}", Payload("age", why)),), {"none_since": since}, why
            )
        made, known = served.created, {}
        if (made - now).total_seconds() > CLOCK_MOVED:
            # Of a clock that was set back since then: the age counts from the first look.
            seen = memory.get("seen", 0.0) if memory.get("version") == served.version else 0.0
            made = now if not 0 < seen <= now.timestamp() else datetime.fromtimestamp(seen, UTC)
            known = {"version": served.version, "seen": made.timestamp()}
        age = now - made
        note = f"version {served.version} was made {_hours(age)} ago, the limit is {_hours(self._limit)}"
        times = int(age / self._limit)
        if times < 1:
            return Observation((), known, note)
        return Observation((Firing(f"age:{served.version}:{times}", Payload("age", note)),), known, note)


def _hours(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"
