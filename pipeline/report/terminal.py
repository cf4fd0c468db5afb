"""Text on a terminal: control characters out of names, values and errors are shown, and never obeyed."""

from __future__ import annotations

import re
from typing import Any, TextIO

# Controls of C0 and C1 but for line and tab; what changes the direction of text, or is not seen; our own colours last.
_CONTROL = re.compile(
    "(?P<own>\x1b\\[(?:0|31|32)m)|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)

# A whole number from here on is a count; 0 and 1 may be shares.
_COUNT = 2


def show_controls(text: str) -> str:
    """Returns the text with control characters written as Python would (`\\x1b`), lines and tabs as they are."""
    return _CONTROL.sub(_show, text)


def show_number(value: float, sign: str = "") -> str:
    """Returns a metric with four decimals; one that counts, such as rows, without any.

    `sign`: '+' writes both signs.
    """
    counts = float(value).is_integer() and abs(value) >= _COUNT
    return f"{value:{sign},.0f}" if counts else f"{value:{sign}.4f}"


def _show(found: re.Match[str]) -> str:
    return found[0] if found["own"] else found[0].encode("unicode_escape").decode()


class Screen:
    """A text stream whose `write` shows control characters; all else is the stream's."""

    def __init__(self, stream: TextIO) -> None:
        """`stream` is written to."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text, and returns the length of what was written."""
        return self._stream.write(show_controls(text))

    def writelines(self, lines: Any) -> None:
        """Writes each of the lines."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        """Returns the stream's own attribute."""
        return getattr(self._stream, name)
