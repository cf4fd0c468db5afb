"""Elements of SVG as strings, the frame of a chart with axes, and the style sheet of all charts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from hilir.analysis.plot.scale import Scale, show

STYLE = (files(__package__) / "plot.css").read_text(encoding="utf-8")

# Series take these colours in turn.
COLOURS = 4
# Pixels of a letter, as there is no font to ask.
_LETTER = 7


@dataclass(frozen=True)
class Frame:
    """Where the data of a chart is drawn, in pixels."""

    width: int = 420
    height: int = 240
    left: int = 52
    right: int = 12
    top: int = 26
    bottom: int = 38

    @property
    def x_range(self) -> tuple[float, float]:
        """The left and the right end."""
        return self.left, self.width - self.right

    @property
    def y_range(self) -> tuple[float, float]:
        """The lower and the upper end: SVG counts from above."""
        return self.height - self.bottom, self.top


DEFAULT_FRAME = Frame()


def number(value: float) -> str:
    """Returns a coordinate with at most one decimal."""
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")
    )


def element(name: str, content: str = "", **attributes: object) -> str:
    """Returns an element; `_` in the name of an attribute is `-`, a trailing one is dropped, floats are coordinates."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{number(value) if isinstance(value, float) else escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(content: str, x: float, y: float, anchor: str = "middle", class_: str | None = None) -> str:
    """Returns a text at a place; `anchor` is start, middle or end."""
    return element("text", escape(content), x=float(x), y=float(y), text_anchor=anchor, class_=class_)


def chart(title: str, description: str, width: float, height: float, parts: Iterable[str]) -> str:
    """Returns the `<svg>`: an image with a name for those who do not see it."""
    inner = element("title", escape(title)) + element("desc", escape(description)) + "".join(parts)
    return element(
        "svg", inner, class_="plot", role="img", aria_label=f"{title}. {description}",
        viewBox=f"0 0 {number(width)} {number(height)}", width=number(width), height=number(height),
    )  # fmt: skip


def axes(
    frame: Frame, x: Scale, y: Scale, x_label: str = "", y_label: str = "", show_x: Callable[[float], str] = show
) -> list[str]:
    """Returns grid lines, ticks and labels; `show_x` writes the ticks of x, as far as there is room."""
    low, _ = frame.y_range
    left, right = frame.x_range
    parts = [text(y_label, 4, 14, "start")] if y_label else []
    for tick in y.ticks:
        place = y(tick)
        parts += [element("line", x1=float(left), x2=float(right), y1=place, y2=place, class_="grid")]
        parts += [text(show(tick), left - 6, place + 4, "end")]
    end = 0.0
    for tick in x.ticks:
        label = show_x(tick)
        half = _LETTER * len(label) / 2
        if end < x(tick) - half and x(tick) + half < frame.width:
            parts.append(text(label, x(tick), low + 16))
            end = x(tick) + half
    if x_label:
        parts.append(text(x_label, (left + right) / 2, low + 32))
    return parts


def legend(names: Sequence[str], frame: Frame) -> list[str]:
    """Returns the names of the series in their colours, from the right end of the first line."""
    parts: list[str] = []
    place = frame.width - frame.right
    for position, name in reversed(list(enumerate(names))):
        parts.append(text(name, place, 14, "end", f"f{position % COLOURS}"))
        place -= _LETTER * len(name) + 14
    return parts
