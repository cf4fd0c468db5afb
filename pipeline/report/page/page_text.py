"""Values as text for a page."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from hilir.analysis.plot.scale import show as show_number

_LONGEST = 2000


def clean(value: Any) -> Any:
    """Returns a string with what cannot be seen written out: control characters, and those that turn the direction."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    shown = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    if shown.isprintable():
        return shown
    return "".join(_write(character) for character in shown)


def _write(character: str) -> str:
    if character == "\n" or not unicodedata.category(character).startswith("C"):
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def show(value: Any) -> str:
    """Returns a number with at most four digits that count, and anything else as it is; nothing for None."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{int(value):,}" if value.is_integer() and abs(value) < 1e15 else show_number(value)
    return str(clean(str(value)))


def show_day(microseconds: float | None) -> str:
    """Returns the day of a time since 1970-01-01 (UTC); nothing for None."""
    return "–" if microseconds is None else _to_time(microseconds).date().isoformat()


def show_time(microseconds: float | None) -> str:
    """Returns a time since 1970-01-01 (UTC), to the minute; nothing for None."""
    return "–" if microseconds is None else _to_time(microseconds).strftime("%Y-%m-%d %H:%M")


def _to_time(microseconds: float) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


def change(now: float, before: float) -> str:
    """Returns a difference with its sign."""
    difference = now - before
    if difference == 0:
        return "±0"
    size = float(f"{abs(difference):.2g}")
    return f"{'+' if difference > 0 else '−'}{show_number(size)}"


def size(count: float | None) -> str:
    """Returns a number of bytes."""
    if count is None:
        return "–"
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def duration(seconds: float | None) -> str:
    """Returns a time span."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def when(seconds: float | None) -> str:
    """Returns a time, seconds since 1970."""
    return "–" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
