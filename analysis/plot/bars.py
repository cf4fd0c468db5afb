"""Bars: counts of categories, and histograms of one or two data sets in the same bins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hilir.analysis.plot.scale import linear, show
from hilir.analysis.plot.svg import COLOURS, DEFAULT_FRAME, Frame, axes, chart, element, legend, text

_ROW = 20


def bar_chart(title: str, bars: Sequence[tuple[str, float]], width: int = 420, label_width: int = 150) -> str:
    """Returns horizontal bars from zero, one a row, with their values."""
    room = width - label_width - 60
    scale = linear([value for _, value in bars], (label_width, label_width + room), zero=True)
    parts = []
    for row, (label, value) in enumerate(bars):
        y = row * _ROW
        left, right = sorted((scale(0), scale(value)))
        parts.append(text(shorten(label, label_width // 7), label_width - 6, y + 14, "end"))
        parts.append(element("rect", x=left, y=y + 3.0, width=right - left, height=_ROW - 6.0, class_="f0"))
        parts.append(text(show(value), right + 5, y + 14, "start", "strong"))
    described = ", ".join(f"{label} {show(value)}" for label, value in bars[:12])
    return chart(title, described, width, len(bars) * _ROW + 4, parts)


def paired_bars(
    title: str, labels: Sequence[str], shares: Sequence[tuple[str, Sequence[float]]], width: int = 420,
    label_width: int = 150,
) -> str:  # fmt: skip
    """Returns, per label, a thin bar for the share (0 to 1) of each data set.

    Args:
        title: what it shows.
        labels: the categories.
        shares: name of each data set, and its share of each category.
        width: in pixels.
        label_width: room for the labels.
    """
    room = width - label_width - 60
    most = max((share for _, row in shares for share in row), default=0) or 1
    thin = (_ROW - 6.0) / max(len(shares), 1)
    top = _ROW if len(shares) > 1 else 0
    parts = legend([name for name, _ in shares], Frame(width=width)) if top else []
    for number, label in enumerate(labels):
        y = top + number * _ROW
        parts.append(text(shorten(label, label_width // 8), label_width - 6, y + 14, "end"))
        for place, (_, row) in enumerate(shares):
            length = row[number] / most * room
            parts.append(
                element("rect", x=float(label_width), y=y + 3 + place * thin, width=length, height=thin,
                        class_=f"f{place % COLOURS}")
            )  # fmt: skip
        longest = max(row[number] for _, row in shares)
        parts.append(text(f"{longest:.1%}", label_width + longest / most * room + 5, y + 14, "start", "strong"))
    described = "; ".join(
        f"{name}: " + ", ".join(f"{label} {share:.1%}" for label, share in zip(labels, row, strict=True))
        for name, row in shares
    )
    return chart(title, described, width, top + len(labels) * _ROW + 4, parts)


def histogram(
    title: str, edges: Sequence[float], counts: Sequence[tuple[str, Sequence[float]]], *, x_label: str = "",
    frame: Frame = DEFAULT_FRAME, show_x: Callable[[float], str] = show,
) -> str:  # fmt: skip
    """Returns data sets as shares in the same bins, half transparent one over the other.

    Args:
        title: what it shows.
        edges: of the bins, ascending, one more than there are bins.
        counts: name and counts in each bin of each data set.
        x_label: for the values.
        frame: its size.
        show_x: writes the ticks of the values.
    """
    shares = [(name, [count / (sum(numbers) or 1) for count in numbers]) for name, numbers in counts]
    x = linear(edges, frame.x_range)
    y = linear([share for _, row in shares for share in row], frame.y_range, zero=True)
    parts = axes(frame, x, y, x_label, "share", show_x)
    for place, (_, row) in enumerate(shares):
        for (low, high), share in zip(pairwise(edges), row, strict=True):
            left, right, top = x(low), x(high), y(share)
            parts.append(
                element("rect", x=left, y=top, width=max(right - left - 0.5, 0.5), height=y(0) - top,
                        class_=f"f{place % COLOURS}", opacity="0.55")
            )  # fmt: skip
    if len(shares) > 1:
        parts += legend([name for name, _ in shares], frame)
    described = "; ".join(f"{name}: most in bin {row.index(max(row)) + 1} of {len(row)}" for name, row in shares if row)
    return chart(title, described, frame.width, frame.height, parts)


def shorten(label: str, most: int) -> str:
    """Returns the label with at most `most` characters."""
    return label if len(label) <= most else f"{label[: most - 1]}…"
