"""A matrix of counts: rows are true classes, columns predicted ones."""

from __future__ import annotations

from collections.abc import Sequence

from hilir.analysis.plot.bars import shorten
from hilir.analysis.plot.scale import show
from hilir.analysis.plot.svg import chart, element, text

_LABEL, _HEAD = 96, 40


def matrix_chart(title: str, labels: Sequence[str], counts: Sequence[Sequence[float]], cell: int = 44) -> str:
    """Returns the matrix with each row as shares of its sum in the depth of the colour.

    Args:
        title: what it shows.
        labels: of the classes, for rows and columns.
        counts: [true][predicted].
        cell: width and height of a cell in pixels.
    """
    parts = [text("predicted", _LABEL + len(labels) * cell / 2, 12), text("true", _LABEL - 6, _HEAD - 6, "end")]
    for column, label in enumerate(labels):
        parts.append(text(shorten(label, cell // 7), _LABEL + (column + 0.5) * cell, _HEAD - 6))
    for row, (label, numbers) in enumerate(zip(labels, counts, strict=True)):
        y = float(_HEAD + row * cell)
        total = sum(numbers) or 1
        parts.append(text(shorten(label, _LABEL // 7), _LABEL - 6, y + cell / 2 + 4, "end"))
        for column, count in enumerate(numbers):
            x = float(_LABEL + column * cell)
            depth = f"{0.08 + 0.62 * count / total:.2f}" if count else "0"
            parts.append(element("rect", x=x, y=y, width=float(cell), height=float(cell), class_="f0", opacity=depth))
            parts.append(element("rect", x=x, y=y, width=float(cell), height=float(cell), class_="box"))
            parts.append(text(show(count), x + cell / 2, y + cell / 2 + 4, class_="strong"))
    right = sum(numbers[place] for place, numbers in enumerate(counts))
    described = f"{show(right)} of {show(sum(map(sum, counts)))} on the diagonal"
    return chart(title, described, _LABEL + len(labels) * cell + 4, _HEAD + len(labels) * cell + 4, parts)
