"""The trigger of calls: somebody asked over HTTP, and the request was written down before it was answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.sources.payload import Firing, Observation


class Calls:
    """Fires for each call that the HTTP server (`call_server`) has written into the state."""

    name = "call"

    def __init__(self, state: State) -> None:
        """`state`: where the server writes the calls."""
        self._state = state

    def pause(self, now: datetime) -> float:
        """Returns an interval in seconds that a caller does not notice."""
        del now
        return 1.0

    def look(self, memory: Mapping[str, Any], now: datetime) -> Observation:
        """Fires for the calls after the last one seen."""
        del now
        calls = self._state.list_calls(after=memory.get("last", 0))
        firings = tuple(Firing(f"call:{call.key}", call.payload) for call in calls)
        last = calls[-1].id if calls else memory.get("last", 0)
        return Observation(firings, {"last": last}, f"{last} calls so far")
