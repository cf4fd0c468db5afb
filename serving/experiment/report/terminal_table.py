"""The report for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hilir.serving.experiment.analysis import Analysis
from hilir.serving.experiment.report import words

_HEAD = ("", "stable", "candidate", "difference", "may be", "p", "")


def write_table(found: Analysis) -> Iterator[str]:
    """Yields the report's lines, the conclusion first."""
    yield words.describe_subject(found)
    yield ""
    yield found.conclusion.words
    if found.conclusion.remedy:
        yield f"  next: {found.conclusion.remedy}"
    yield ""
    rows = [_HEAD, *(tuple(words.list_cells(curve, found.experiment.alpha)) for curve in found.curves)]
    yield from _align(rows)
    yield f"may be: where the true difference is, with {1 - found.experiment.alpha:.0%} confidence at all looks"
    yield ""
    yield from words.list_counts(found)
    if len(found.timeline) > 1:
        yield ""
        yield "what would have been decided when:"
        for at, users, conclusion in found.timeline:
            yield f"  {words.describe_time(at)}, {users:,} users: {conclusion.words}"


def _align(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column in (0, 6) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
