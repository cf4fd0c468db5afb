"""Estimates with intervals, one a row: metrics by slice next to their bound and the baseline's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hilir.analysis.plot.bars import shorten
from hilir.analysis.plot.scale import linear, show
from hilir.analysis.plot.svg import chart, element, text

_ROW = 22
_AXIS = 24


@dataclass(frozen=True)
class Interval:
    """A row.

    Attributes:
        label: what is estimated.
        value: the estimate.
        low, high: its interval; equal to the value if there is none.
        bound: a threshold on the same scale.
        baseline: another estimate to compare with.
    """

    label: str
    value: float
    low: float
    high: float
    bound: float | None = None
    baseline: float | None = None


def interval_chart(title: str, rows: Sequence[Interval], width: int = 560, label_width: int = 180) -> str:
    """Returns a dot with its interval for each row, a dash for the bound, a ring for the baseline."""
    values = [
        value for row in rows for value in (row.value, row.low, row.high, row.bound, row.baseline) if value is not None
    ]
    x = linear(values, (label_width, width - 64))
    height = len(rows) * _ROW + _AXIS
    parts = []
    for tick in x.ticks:
        parts.append(element("line", x1=x(tick), x2=x(tick), y1=0.0, y2=float(height - _AXIS), class_="grid"))
        parts.append(text(show(tick), x(tick), height - 8))
    for number, row in enumerate(rows):
        y = number * _ROW + _ROW / 2
        parts.append(text(shorten(row.label, label_width // 7), label_width - 10, y + 4, "end"))
        parts.append(element("line", x1=x(row.low), x2=x(row.high), y1=y, y2=y, class_="line s0"))
        parts.append(element("circle", cx=x(row.value), cy=y, r=3.5, class_="f0"))
        if row.baseline is not None:
            parts.append(element("circle", cx=x(row.baseline), cy=y, r=4.5, class_="line s1"))
        if row.bound is not None:
            parts.append(element("line", x1=x(row.bound), x2=x(row.bound), y1=y - 8, y2=y + 8, class_="bound"))
        parts.append(text(show(row.value), width - 4, y + 4, "end", "strong"))
    described = ", ".join(f"{row.label} {show(row.value)}" for row in rows[:12])
    return chart(title, described, width, height, parts)
