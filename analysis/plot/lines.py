"""Curves: training, ROC, values over windows with a band of uncertainty; and sparklines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hilir.analysis.plot.scale import Scale, linear, logarithmic, show
from hilir.analysis.plot.svg import COLOURS, DEFAULT_FRAME, Frame, axes, chart, element, legend, number, text

Point = tuple[float, float]
# Distances from a chord, as shares of the frame, that are rounding.
_STRAIGHT = 1e-9


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
        name: for the legend.
        points: (x, y) from left to right; a y that is not finite interrupts the curve.
        band: (low, high) around each point; none if empty.
    """

    name: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Bound:
    """A horizontal line: a threshold or a target."""

    name: str
    value: float


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str = "",
    y_label: str = "",
    bounds: Sequence[Bound] = (),
    log_y: bool = False,
    whole_x: bool = False,
    frame: Frame = DEFAULT_FRAME,
) -> str:
    """Returns curves in one frame; `whole_x`: no place between two whole numbers is marked, as between epochs."""
    ys = [y for each in series for _, y in each.points]
    ys += [y for each in series for pair in each.band for y in pair] + [bound.value for bound in bounds]
    x = linear([x for each in series for x, _ in each.points], frame.x_range, whole=whole_x)
    y = logarithmic(ys, frame.y_range) if log_y else linear(ys, frame.y_range)
    parts = axes(frame, x, y, x_label, y_label)
    for place, each in enumerate(series):
        parts += _band(each, x, y, place) + _curve(each, x, y, place)
    left, right = frame.x_range
    for bound in bounds:
        parts.append(
            element("line", x1=left * 1.0, x2=right * 1.0, y1=y(bound.value), y2=y(bound.value), class_="bound")
        )
        parts.append(text(bound.name, right, y(bound.value) - 4, "end", "bad"))
    if len(series) > 1:
        parts += legend([each.name for each in series], frame)
    return chart(title, "; ".join(_describe(each) for each in series), frame.width, frame.height, parts)


def sparkline(title: str, values: Sequence[float], width: int = 120, height: int = 24) -> str:
    """Returns a curve without axes, as high as a line of text."""
    points = [(float(number_), value) for number_, value in enumerate(values)]
    x = Scale(0, max(len(points) - 1, 1), 2, width - 2, ())
    y = linear([value for value in values if math.isfinite(value)], (height - 3, 3))
    series = Series(title, points)
    return chart(title, _describe(series), width, height, _curve(series, x, y, 0))


def simplify(points: Sequence[Point], most: int = 200) -> list[Point]:
    """Returns at most `most` of the points, those that the curve turns at most (Ramer, Douglas, Peucker)."""
    if len(points) <= most:
        return list(points)
    spread_x = max(x for x, _ in points) - min(x for x, _ in points) or 1.0
    spread_y = max(y for _, y in points) - min(y for _, y in points) or 1.0
    scaled = [(x / spread_x, y / spread_y) for x, y in points]
    kept = {0, len(points) - 1}
    parts = [_farthest(scaled, 0, len(points) - 1)]
    while len(kept) < most:
        distance, middle, first, last = max(parts)
        if distance < _STRAIGHT:
            break
        parts.remove((distance, middle, first, last))
        kept.add(middle)
        parts += [_farthest(scaled, first, middle), _farthest(scaled, middle, last)]
    return [points[place] for place in sorted(kept)]


def _farthest(points: Sequence[Point], first: int, last: int) -> tuple[float, int, int, int]:
    """Returns the distance of the point that is farthest from the chord, its place, and the ends."""
    (x1, y1), (x2, y2) = points[first], points[last]
    length = math.hypot(x2 - x1, y2 - y1)

    def distance(place: int) -> float:
        x, y = points[place]
        return abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length if length else math.hypot(x - x1, y - y1)

    best = max(range(first + 1, last), key=distance, default=first)
    return (distance(best) if last - first > 1 else 0.0), best, first, last


def _curve(series: Series, x: Scale, y: Scale, place: int) -> list[str]:
    colour = place % COLOURS
    parts: list[str] = []
    for run in _runs(series.points):
        if len(run) == 1:
            parts.append(element("circle", cx=x(run[0][0]), cy=y(run[0][1]), r=2.5, class_=f"f{colour}"))
        else:
            drawn = " ".join(f"{number(x(at))},{number(y(value))}" for at, value in run)
            parts.append(element("polyline", points=drawn, class_=f"line s{colour}"))
    return parts


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """Returns the parts of the curve between values that are not finite."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _band(series: Series, x: Scale, y: Scale, place: int) -> list[str]:
    edge = [
        (at, low, high)
        for (at, _), (low, high) in zip(series.points, series.band, strict=False)
        if math.isfinite(low) and math.isfinite(high)
    ]
    if len(edge) < 2:
        return []
    there = [f"{number(x(at))},{number(y(high))}" for at, _, high in edge]
    back = [f"{number(x(at))},{number(y(low))}" for at, low, _ in reversed(edge)]
    return [element("polygon", points=" ".join(there + back), class_=f"band f{place % COLOURS}")]


def _describe(series: Series) -> str:
    finite = [(x, y) for x, y in series.points if math.isfinite(y)]
    if not finite:
        return f"{series.name}: no values"
    return f"{series.name}: from {show(finite[0][1])} to {show(finite[-1][1])}"
