"""Text from outside, such as names, values and errors, as it may be shown on a terminal or in a log."""

from __future__ import annotations

import re
from collections.abc import Sequence


def show_unprintable(text: str) -> str:
    """Returns the text on one line, with what cannot be printed written as Python would (`\\n`, `\\x1b`, `\\u202e`)."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def read_separator(line: str) -> str | None:
    """Returns the delimiter that Excel's line `sep=;` names; None for another line."""
    found = re.fullmatch(r"sep=(.)", line.strip(), re.IGNORECASE)
    return found[1] if found else None


def count_preamble(lines: Sequence[str], delimiter: str) -> int:
    """Returns the number of lines before the header of a CSV file.

    These are Excel's `sep=;`, and lines that begin with # and have another number of cells than the first line that
    does not: `#id,name` may be a header.
    """
    count = int(bool(lines) and read_separator(lines[0]) is not None)
    following = next((line for line in lines[count:] if line.strip() and not line.startswith("#")), None)
    if following is None:
        return count
    cells = following.count(delimiter)
    while (lines[count].startswith("#") and lines[count].count(delimiter) != cells) or not lines[count].strip():
        count += 1
    return count
