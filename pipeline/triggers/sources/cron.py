"""The trigger of a schedule, written as crontab does, with the time zone in front as Vertex AI's schedules have it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from hilir.pipeline.triggers.sources.payload import Firing, Look, Payload

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOST_MISSED = 1000


def parse_cron(text: str) -> BaseTrigger:
    """Returns the schedule of `[TZ=Area/City] minute hour day month weekday`, in UTC where no zone is given.

    As in crontab(5), and unlike APScheduler's own reading, Sunday is 0 or 7, and a day fits if the day of the month or
    the weekday does where both are restricted.

    Raises:
        ValueError: it is not a schedule, or no moment fits it; the message ends the sentence "watch.cron …".
    """
    zone, fields = _split(text)
    minute, hour, day, month, weekday = fields
    both = not day.startswith("*") and not weekday.startswith("*")
    try:
        weekday = _name_days(weekday)
        rest = {"minute": minute, "hour": hour, "month": month, "timezone": zone}
        if both:
            schedule: BaseTrigger = OrTrigger([CronTrigger(day=day, **rest), CronTrigger(day_of_week=weekday, **rest)])
        else:
            schedule = CronTrigger(day=day, day_of_week=weekday, **rest)
    except ValueError as error:
        raise ValueError(f"is '{text}': {error}; write for example '30 3 * * 1-5'") from None
    if next_after(schedule, datetime.now(UTC)) is None:
        raise ValueError(f"is '{text}', which no day ever fits; write for example '30 3 * * 1-5'")
    return schedule


def next_after(schedule: BaseTrigger, moment: datetime) -> datetime | None:
    """Returns the schedule's first time after the moment."""
    found: datetime | None = schedule.get_next_fire_time(None, moment + timedelta(microseconds=1))
    return found


class CronSchedule:
    """Fires at each time of a schedule; times that passed while nobody watched are made up for by one firing."""

    name = "cron"

    def __init__(self, text: str) -> None:
        """`text`: as `parse_cron` reads it."""
        self._text = text
        self._schedule = parse_cron(text)

    def timing(self) -> BaseTrigger:
        """Returns the schedule, and each minute for clocks that were set back or slept."""
        return OrTrigger([self._schedule, IntervalTrigger(minutes=1)])

    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """Fires if a time of the schedule lies between the last look and now."""
        last = datetime.fromisoformat(memory["last"]) if memory else now
        times = list(self._times(last, now))
        firings: tuple[Firing, ...] = ()
        if times:
            missed = f"; {len(times) - 1} earlier times had been missed" if len(times) > 1 else ""
            why = f"the schedule '{self._text}' says {times[-1]:%Y-%m-%d %H:%M %Z}{missed}"
            firings = (Firing(f"cron:{times[-1].astimezone(UTC).isoformat()}", Payload("cron", why)),)
        coming = next_after(self._schedule, now)
        note = f"next at {coming:%Y-%m-%d %H:%M %Z}" if coming else "no further time"
        return Look(firings, {"last": max(last, now).isoformat()}, note)

    def _times(self, last: datetime, now: datetime) -> Iterator[datetime]:
        for _ in range(_MOST_MISSED):
            found = next_after(self._schedule, last)
            if found is None or found > now:
                return
            yield found
            last = found


def _split(text: str) -> tuple[ZoneInfo, list[str]]:
    match = re.fullmatch(r"\s*(?:(?:CRON_)?TZ=(\S+)\s+)?(.*?)\s*", text)
    zone, fields = (match[1] or "UTC", match[2].split()) if match else ("UTC", [])
    if len(fields) != 5:
        raise ValueError(
            f"is '{text}', which has {len(fields)} fields; write minute, hour, day, month and weekday, "
            "for example '30 3 * * 1-5', with 'TZ=Asia/Jakarta ' in front for a time zone other than UTC"
        )
    try:
        return ZoneInfo(zone), fields
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"names the time zone '{zone}', which does not exist; write for example 'Asia/Jakarta'"
        ) from None


def _name_days(weekday: str) -> str:
    """Returns the weekday field with names in place of numbers, which APScheduler counts from Monday."""
    parts = []
    for part in weekday.lower().split(","):
        days, slash, step = part.partition("/")
        first, _, last = ("0-6" if days == "*" and slash else days).partition("-")
        if not first.isdigit():
            parts.append(part)
            continue
        numbers = range(int(first), int(last or (6 if slash else first)) + 1, int(step) if slash else 1)
        if not numbers or numbers[-1] > 7:
            raise ValueError(f"the weekday '{part}' is not between 0 and 7")
        parts += [_DAYS[number] for number in numbers]
    return ",".join(parts)
