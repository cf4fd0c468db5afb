"""The trigger of new data: a span or version that is complete and newer than what was learned from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hilir.components.example_gen.spans import fill
from hilir.pipeline.triggers.sources.new_spans import Found, list_spans, marker_pattern
from hilir.pipeline.triggers.sources.payload import Firing, Observation, Payload
from hilir.pipeline.triggers.sources.served_version import find_served

_NOTHING = (-1, -1)


class NewData:
    """Fires when the newest span or version is complete, and holds all runs while it is not.

    ExampleGen takes the newest span that has a file, complete or not; that is why no run may begin in the meantime, and
    why a span counts as learned from only if its files are still those that were read.
    """

    name = "data"

    def __init__(
        self, folder: Path, pattern: str, model: Path, every: float, stable: float, marker: str | None
    ) -> None:
        """Watches `folder` for what `pattern` matches.

        Args:
            folder: data.path.
            pattern: data.pattern.
            model: folder of the model's versions; their manifests say which span was learned from.
            every: seconds between looks.
            stable: seconds without a change after which a span counts as complete, if there is no marker.
            marker: name of the file that says that a span is complete.
        """
        self._folder, self._pattern, self._model = folder, pattern, model
        self._every, self._stable = every, stable
        self._marker = None if marker is None else marker_pattern(pattern, marker)

    def pause(self, now: datetime) -> float:
        """Returns the interval in seconds."""
        del now
        return self._every

    def look(self, memory: Mapping[str, Any], now: datetime) -> Observation:
        """Fires once for all complete spans that are newer than the last one fired for."""
        found = list_spans(self._folder, self._pattern)
        if not found:
            return Observation((), dict(memory), f"no file below {self._folder} matches '{self._pattern}'")
        known = max(tuple(memory.get("fired", _NOTHING)), self._learned(found))
        new = [each for each in found if each.span.order > known]
        # Without anything to compare with, only the newest counts: a run would learn from no other.
        new = new if known != _NOTHING else new[-1:]
        changes = {str(each.span): self._change(each, memory, now) for each in new}
        complete = [each for each in new if self._is_complete(each, changes[str(each.span)], now)]
        newest = found[-1]
        memory = {
            "fired": list(max(known, complete[-1].span.order) if complete else known),
            "changes": {str(each.span): changes[str(each.span)] for each in new if each not in complete},
        }
        hold = None if not new or newest in complete else f"{newest.span} is not complete: {self._awaited(newest)}"
        return Observation(self._fire(complete), memory, hold or f"{newest.span} is the newest", hold)

    def _learned(self, found: list[Found]) -> tuple[int, int]:
        """Returns the newest span that the newest version learned from, as it is now."""
        served = find_served(self._model, newest=True)
        if served is None or served.span is None:
            return _NOTHING
        span = served.span.order
        if all(each.is_what_was_read(served.fingerprint) for each in found if each.span.order == span):
            return span
        # A run that somebody began by hand read it before it was complete.
        return max((each.span.order for each in found if each.span.order < span), default=_NOTHING)

    def _change(self, found: Found, memory: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """Returns the span's fingerprint and since when it has been so."""
        fingerprint = found.fingerprint()
        before = memory.get("changes", {}).get(str(found.span))
        if before and before["fingerprint"] == fingerprint:
            # A clock that was set back starts the wait again, and does not stretch it.
            return dict(before) | {"since": min(float(before["since"]), now.timestamp())}
        return {"fingerprint": fingerprint, "since": now.timestamp()}

    def _is_complete(self, found: Found, change: Mapping[str, Any], now: datetime) -> bool:
        if self._marker is not None:
            return (self._folder / fill(self._marker, found.texts)).exists()
        return now.timestamp() - float(change["since"]) >= self._stable

    def _awaited(self, found: Found) -> str:
        if self._marker is not None:
            return f"{self._folder / fill(self._marker, found.texts)} does not exist yet"
        return f"its files have to stay as they are for {self._stable:g} s"

    def _fire(self, complete: list[Found]) -> tuple[Firing, ...]:
        if not complete:
            return ()
        spans = tuple(each.span for each in complete)
        why_complete = "its marker is there" if self._marker is not None else f"unchanged for {self._stable:g} s"
        others = f", and {len(spans) - 1} before it" if len(spans) > 1 else ""
        number, version = spans[-1].order
        why = f"{spans[-1]} is complete ({why_complete}){others}"
        return (Firing(f"data:{number}:{version}", Payload("data", why, spans)),)
