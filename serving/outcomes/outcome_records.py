"""An outcome: what became of a prediction, or what a user did; and a batch of them as JSON.

    {"outcomes": [{"id": "5f0c-2a#0", "name": "bought", "value": 1, "time": "2026-01-31T12:00:00Z"},
                  {"user": "user-17", "name": "spent", "value": 12.5, "event": "order-9"}]}

The id of a prediction is the id of its request, `#`, and the row in that request; without a row it is row 0. `class` in
place of `value` is the name of a class, also where it looks like a number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hilir.serving.errors import ServingError

MOST_OUTCOMES = 10_000
"""In one batch."""
SKEW_SECONDS = 300.0
"""How far the clock of a sender may be wrong."""

_LONGEST = 256
# 12,5 and 1.234,50 and 1 234 and 12 % and €12 and (12.50): they would become names of classes without a word.
_PLAIN = r"(?:\d+\.?\d*|\.\d+)"
_WRITTEN = (
    r"(?:\d*,\d+|\d{1,3}(?:[,'’\s]\d{3})+(?:\.\d+)?|\d{1,3}(?:[.'’\s]\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?)"
)
_EITHER = rf"(?:{_WRITTEN}|{_PLAIN})"
_MARK = r"(?:[%‰$€£¥₹]|EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|CZK|BRL|TRY)"
_SIGN = r"(?:[+\-−–]\s?)"
_QUANTITY = re.compile(
    rf"{_SIGN}?(?:{_WRITTEN}|{_EITHER}\s?{_MARK}|{_MARK}\s?{_SIGN}?{_EITHER})|[−–]\s?{_PLAIN}|"
    rf"\((?:{_MARK}\s?)?{_EITHER}(?:\s?{_MARK})?\)",
    re.IGNORECASE,
)
_FIELDS = frozenset({"id", "user", "name", "value", "class", "time", "event"})
Value = float | str


class OutcomeRefused(ServingError):
    """A batch contains something that is not an outcome; nothing of it was stored."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome.

    Attributes:
        request: id of the request whose prediction it is about; empty if it is about a user.
        row: of that prediction in the request.
        user: the user's key; empty if it is about a prediction.
        name: what was observed, for example `bought`.
        event: tells several outcomes of one name apart; the same one again replaces the first.
        value: a number, or a class.
        time: seconds since 1970 at which it happened.
        dated: the sender gave the time; else it is the time of its arrival.
        received: seconds since 1970 at which it arrived.
        writes: how many different values have been sent for it.
    """

    request: str
    row: int
    user: str
    name: str
    event: str
    value: Value
    time: float
    dated: bool
    received: float
    writes: int = 1

    @property
    def key(self) -> tuple[str, int, str, str, str]:
        """What makes two outcomes the same one."""
        return self.request, self.row, self.user, self.name, self.event


def prediction_id(request: str, row: int) -> str:
    """Returns the id of a prediction."""
    return f"{request}#{row}"


def parse_batch(body: bytes, now: float) -> list[Outcome]:
    """Returns the outcomes of a batch.

    Raises:
        OutcomeRefused: one of them, or the whole, is wrong.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OutcomeRefused(f"the body is not JSON ({error})") from None
    batch = content.get("outcomes") if isinstance(content, dict) else None
    if not isinstance(batch, list):
        raise OutcomeRefused('the body must be an object with a list: {"outcomes": [{"id": …, "name": …, "value": …}]}')
    if len(batch) > MOST_OUTCOMES:
        raise OutcomeRefused(f"{len(batch)} outcomes in one batch; send at most {MOST_OUTCOMES} at a time")
    return [parse_outcome(fields, f"outcomes[{place}]", now) for place, fields in enumerate(batch)]


def parse_outcome(fields: Any, place: str, now: float) -> Outcome:
    """Returns one outcome.

    Args:
        fields: the object that was sent.
        place: where it is, for messages.
        now: the time of its arrival.

    Raises:
        OutcomeRefused: it is none.
    """
    if not isinstance(fields, Mapping):
        raise OutcomeRefused(f"{place}: must be an object with name, value, and id or user")
    unknown = sorted(str(name) for name in fields.keys() - _FIELDS)
    if unknown:
        raise OutcomeRefused(f"{place}: unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    if ("id" in fields) == ("user" in fields):
        raise OutcomeRefused(f"{place}: give either id, of a prediction, or user")
    request, row = _parse_id(fields["id"], place) if "id" in fields else ("", 0)
    time = _parse_time(fields.get("time"), f"{place}.time", now)
    return Outcome(
        request=request,
        row=row,
        user=_parse_text(fields["user"], f"{place}.user") if "user" in fields else "",
        name=_parse_text(fields.get("name"), f"{place}.name"),
        event=_parse_text(fields["event"], f"{place}.event") if fields.get("event") is not None else "",
        value=_parse_value(fields, place),
        time=now if time is None else min(time, now),
        dated=time is not None,
        received=now,
    )


def keep_last(outcomes: list[Outcome]) -> list[Outcome]:
    """Returns a batch in which each outcome occurs once, with its last value; `writes` counts the others."""
    kept: dict[tuple[str, int, str, str, str], Outcome] = {}
    for each in outcomes:
        known = kept.get(each.key)
        if known is None:
            kept[each.key] = each
        elif each.value != known.value or (each.dated and each.time != known.time):
            kept[each.key] = replace(each, writes=known.writes + 1)
    return list(kept.values())


def _parse_id(value: Any, place: str) -> tuple[str, int]:
    text = _parse_text(value, f"{place}.id")
    request, mark, row = text.rpartition("#")
    if not mark:
        return text, 0
    if not request or not (row.isascii() and row.isdecimal() and len(row) <= 9):
        raise OutcomeRefused(f"{place}.id: {text!r} is not REQUEST#ROW, with a row from 0")
    return request, int(row)


def _parse_text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _LONGEST or not value.isprintable():
        raise OutcomeRefused(f"{place}: must be a string of 1 to {_LONGEST} printable characters")
    return value


def _parse_value(fields: Mapping[str, Any], place: str) -> Value:
    """Returns the value; what stands under `class` is the name of one whatever it looks like, such as 50%."""
    value = fields.get("value")
    if fields.get("class") is not None:
        if value is not None:
            raise OutcomeRefused(f"{place}: give either value or class")
        return _parse_text(fields["class"], f"{place}.class")
    if isinstance(value, str):
        if _QUANTITY.fullmatch(value.strip()):
            raise OutcomeRefused(
                f"{place}.value: {value[:40]!r} is a number written for people; write it like 1234.5, or under class "
                "in place of value if a class has this name"
            )
        return _parse_text(value, f"{place}.value")
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise OutcomeRefused(f"{place}.value: must be a finite number, true, false, or the name of a class")


def _parse_time(value: Any, place: str, now: float) -> float | None:
    """Returns the seconds since 1970, or None where no time was given."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise OutcomeRefused(f"{place}: {value[:40]!r} is not a time like 2026-01-31T12:00:00Z") from None
        if found.tzinfo is None:
            raise OutcomeRefused(f"{place}: {value!r} has no time zone; write it like 2026-01-31T12:00:00Z")
        seconds = found.timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11:
        seconds = float(value)
    else:
        raise OutcomeRefused(f"{place}: must be seconds since 1970, or a string like 2026-01-31T12:00:00Z")
    if seconds > now + SKEW_SECONDS:
        raise OutcomeRefused(
            f"{place}: {seconds - now:,.0f} s in the future; set the sender's clock (up to {SKEW_SECONDS:g} s are "
            "taken for now), and give seconds, not milliseconds"
        )
    return seconds
