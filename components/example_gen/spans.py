"""Spans and versions in patterns of files, by the rules of TFX's ExampleGen and without importing it.

The rules: tfx/components/example_gen/utils.py. {SPAN}, or {YYYY}, {MM} and {DD} (the span is the number of days since
1970-01-01), and {VERSION} only together with one of them; {SPAN:3} and {VERSION:3} are zero-padded to a width. Beyond
TFX, {YYYY} and {MM} without {DD} are the first day of a month, and {YYYY} alone is that of a year.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date

SPEC = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)(?::(\d+))?\}")
_ANY = re.compile(r"\{([^{}/]*)\}")
WIDTHS = {"YYYY": 4, "MM": 2, "DD": 2}
_EPOCH = date(1970, 1, 1)

Texts = tuple[tuple[str, str], ...]
"""What stands for a span in a path: the names of the placeholders and their texts."""


def has_span(pattern: str) -> bool:
    """Returns whether the pattern tells spans apart."""
    return any(match[1] in ("SPAN", "YYYY") for match in SPEC.finditer(pattern))


def check_pattern(pattern: str) -> None:
    """Refuses placeholders that stand for no span.

    Raises:
        ValueError: a sentence that begins with 'has'.
    """
    for match in _ANY.finditer(pattern):
        if SPEC.fullmatch(match[0]) is None:
            raise ValueError(
                f"has {match[0]}, which stands for nothing; write {{SPAN}}, {{YYYY}}, {{MM}}, {{DD}} or {{VERSION}}"
            )
    names = [match[1] for match in SPEC.finditer(pattern)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"has {{{twice}}} more than once; write it once, and * in the other places")
    for name, needed in (("DD", "MM"), ("MM", "YYYY")):
        if name in names and needed not in names:
            raise ValueError(f"has {{{name}}} without {{{needed}}}; write that too, or * for what does not matter")
    if "SPAN" in names and "YYYY" in names:
        raise ValueError("has {SPAN} and {YYYY}; write {SPAN} for numbers, or {YYYY}, {MM} and {DD} for days")
    if "VERSION" in names and not has_span(pattern):
        raise ValueError("has {VERSION} and no span; write {SPAN} or {YYYY}{MM}{DD} too")


def fill(pattern: str, texts: Texts) -> str:
    """Returns the pattern with the texts of one span in it."""
    known = dict(texts)
    return SPEC.sub(lambda match: known.get(match[1], match[0]), pattern)


def to_glob(pattern: str) -> str:
    """Returns the pattern with a wildcard for each placeholder."""
    return SPEC.sub("*", pattern)


def to_regex(pattern: str) -> re.Pattern[str]:
    """Returns what matches the paths, with a group for each placeholder."""
    text, end = "", 0
    for match in SPEC.finditer(pattern):
        width = match[2] or WIDTHS.get(match[1])
        digits = f"\\d{{{width}}}" if width else "\\d+"
        text += _literal(pattern[end : match.start()]) + f"(?P<{match[1]}>{digits})"
        end = match.end()
    return re.compile(text + _literal(pattern[end:]))


def read_span(texts: Mapping[str, str]) -> tuple[int, int | None] | None:
    """Returns span and version; None where the texts are no day."""
    version = int(texts["VERSION"]) if "VERSION" in texts else None
    if "SPAN" in texts:
        return int(texts["SPAN"]), version
    try:
        day = date(int(texts["YYYY"]), int(texts.get("MM", 1)), int(texts.get("DD", 1)))
    except ValueError:
        return None
    return (day - _EPOCH).days, version


def read_number(value: int | str) -> int:
    """Returns the number of a span that is given as such, or as a day (2026-11-30).

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int):
        return value
    return (date.fromisoformat(value) - _EPOCH).days


def find_spans(pattern: str, paths: Iterable[str]) -> dict[int, tuple[int | None, Texts]]:
    """Returns the spans that paths belong to, in order, each with its newest version and its texts in the pattern."""
    regex = to_regex(pattern)
    found: dict[int, tuple[int | None, Texts]] = {}
    for path in sorted(paths):
        match = regex.fullmatch(path)
        span = read_span(match.groupdict()) if match else None
        if match is None or span is None:
            continue
        number, version = span
        known = found.get(number)
        if known is None or (version or 0) > (known[0] or 0):
            found[number] = version, tuple(sorted(match.groupdict().items()))
    return dict(sorted(found.items()))


def explain_none(pattern: str, paths: Iterable[str]) -> str:
    """Returns why none of the paths, which match but for the placeholders, belongs to a span; empty without paths."""
    path = next(iter(sorted(paths)), None)
    if path is None:
        return ""
    if "SPAN" in {match[1] for match in SPEC.finditer(pattern)}:
        return (
            f" ({path} is there, and {{SPAN}} stands for a whole number; days and months are {{YYYY}}, {{MM}}, {{DD}})"
        )
    return f" ({path} is there, and what stands for {{YYYY}}, {{MM}} and {{DD}} in it is no day)"


def choose(spans: Iterable[int], newest: int | None, first: int | None, last: int | None) -> list[int]:
    """Returns the newest spans of those from `first` to `last`; None for no bound."""
    inside = sorted(span for span in spans if (first is None or span >= first) and (last is None or span <= last))
    return inside if newest is None else inside[-newest:]


def _literal(text: str) -> str:
    return re.escape(text).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
