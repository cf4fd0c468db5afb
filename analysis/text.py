"""Text from outside, such as names, values and errors, as it may be shown on a terminal or in a log."""

from __future__ import annotations


def show_unprintable(text: str) -> str:
    """Returns the text on one line, with what cannot be printed written as Python would (`\\n`, `\\x1b`, `\\u202e`)."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
