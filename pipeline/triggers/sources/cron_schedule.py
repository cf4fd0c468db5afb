"""The trigger of a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from hilir.pipeline.config.cron import parse_cron
from hilir.pipeline.triggers.sources.payload import CLOCK_MOVED, Firing, Observation, Payload

_MOST_MISSED = 1000
# Clocks are set back, and machines sleep.
_LONGEST_PAUSE = 60.0


class CronTrigger:
    """Fires at each time of a schedule; times that passed while nobody watched are made up for by one firing."""

    name = "cron"

    def __init__(self, text: str) -> None:
        """`text`: as `parse_cron` reads it."""
        self._text = text
        self._schedule = parse_cron(text)

    def pause(self, now: datetime) -> float:
        """Returns the seconds until the schedule's next time, a minute at most."""
        coming = self._schedule.next_after(now)
        return _LONGEST_PAUSE if coming is None else min(_LONGEST_PAUSE, coming.timestamp() - now.timestamp())

    def look(self, memory: Mapping[str, Any], now: datetime) -> Observation:
        """Fires if a time of the schedule lies between the last look and now."""
        last = datetime.fromisoformat(memory["last"]) if memory else now
        if (last - now).total_seconds() > CLOCK_MOVED:
            # The clock was set back: the schedule continues from what it says now.
            last = now
        times = list(self._times(last, now))
        firings: tuple[Firing, ...] = ()
        if times:
            missed = f"; {len(times) - 1} earlier times had been missed" if len(times) > 1 else ""
            why = f"the schedule '{self._text}' says {times[-1]:%Y-%m-%d %H:%M %Z}{missed}"
            firings = (Firing(f"cron:{times[-1].astimezone(UTC).isoformat()}", Payload("cron", why)),)
        coming = self._schedule.next_after(now)
        note = f"next at {coming:%Y-%m-%d %H:%M %Z}" if coming else "no further time"
        return Observation(firings, {"last": max(last, now).isoformat()}, note)

    def _times(self, last: datetime, now: datetime) -> Iterator[datetime]:
        for _ in range(_MOST_MISSED):
            found = self._schedule.next_after(last)
            if found is None or found.astimezone(UTC) > now:
                return
            yield found
            last = found
