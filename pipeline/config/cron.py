"""Schedules, written as crontab does, with the time zone in front as Vertex AI's schedules have it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator

_EXAMPLE = "write for example '30 3 * * 1-5'"
_VALUE = r"(?:\d+|[A-Za-z]{3})"
_ITEM = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/\d+)?"
# What crontab(5) has, and `L` for the last day of the month; cronsim knows more, which Vertex AI may not.
_FIELD = re.compile(rf"{_ITEM}(?:,{_ITEM})*|L")


@dataclass(frozen=True)
class Schedule:
    """Moments that recur: five fields as in crontab(5), read in a time zone.

    Sunday is 0 or 7, and a day fits if the day of the month or the weekday does where both are restricted. Where clocks
    change, it does as Debian's cron: a time that is skipped fires at once afterwards, one that comes twice fires once,
    and what runs every hour or more often (`*`) follows the real time.
    """

    fields: str
    zone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime | None:
        """Returns the first time after the moment (with a time zone), in the schedule's zone; None without any."""
        for found in CronSim(self.fields, moment.astimezone(self.zone)):
            # Two times of one zone are compared by their clocks, which show an hour twice.
            if found.astimezone(UTC) > moment.astimezone(UTC):
                return found
        return None


def parse_cron(text: str) -> Schedule:
    """Returns the schedule of `[TZ=Area/City] minute hour day month weekday`, in UTC where no zone is given.

    Raises:
        ValueError: it is not a schedule, or no moment fits it; the message ends the sentence "watch.cron …".
    """
    zone, fields = _split(text)
    if not all(_FIELD.fullmatch(field) for field in fields):
        raise ValueError(f"is '{text}': a field has numbers, names of three letters and * , - /; {_EXAMPLE}")
    schedule = Schedule(" ".join(fields), zone)
    try:
        coming = schedule.next_after(datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"is '{text}': {str(error).lower()}; {_EXAMPLE}") from None
    if coming is None:
        raise ValueError(f"is '{text}', which no day ever fits; {_EXAMPLE}")
    return schedule


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


def _check(cron: str) -> str:
    parse_cron(cron)
    return cron


Cron = Annotated[str, AfterValidator(_check)]
"""Minute, hour, day, month and weekday, with `TZ=Area/City ` before them if wanted."""
