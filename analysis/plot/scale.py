"""Values to pixels, and ticks that a person would choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic scale.

    Attributes:
        low, high: the ends in values.
        start, stop: the ends in pixels.
        ticks: values to mark.
        logarithmic: whether equal distances are equal factors.
    """

    low: float
    high: float
    start: float
    stop: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Returns the place of a value in pixels; values outside are at the end."""
        low, high, at = (math.log10(v) for v in (self.low, self.high, max(value, self.low))) if self.logarithmic else (
            self.low, self.high, value,
        )  # fmt: skip
        share = min(max((at - low) / (high - low), 0.0), 1.0)
        return self.start + share * (self.stop - self.start)


def linear(
    values: Sequence[float], pixels: tuple[float, float], count: int = 5, zero: bool = False, whole: bool = False
) -> Scale:
    """Returns a scale that has all finite values, with ends at ticks.

    `zero`: it begins at zero; `whole`: only whole numbers are marked.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        room = abs(low) / 2 or 0.5
        low, high = low - room, high + room
    ticks = _nice_ticks(low, high, count, whole)
    return Scale(min(low, ticks[0]), max(high, ticks[-1]), *pixels, ticks)


def logarithmic(values: Sequence[float], pixels: tuple[float, float]) -> Scale:
    """Returns a logarithmic scale with ticks at powers of ten; values that are not positive are at its lower end."""
    positive = [value for value in values if math.isfinite(value) and value > 0] or [1.0]
    first, last = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    last = max(last, first + 1)
    every = max(1, math.ceil((last - first) / 6))
    ticks = tuple(10.0**power for power in range(first, last + 1, every))
    return Scale(10.0**first, 10.0**last, *pixels, ticks, logarithmic=True)


def show(value: float) -> str:
    """Returns a number as a person would write it: at most four digits that count."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if 1e-3 <= abs(value) < 1e5:
        digits = max(0, 3 - math.floor(math.log10(abs(value))))
        written = f"{value:,.{digits}f}"
        return written.rstrip("0").rstrip(".") if "." in written else written
    return f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def _nice_ticks(low: float, high: float, count: int, whole: bool) -> tuple[float, ...]:
    """Returns about `count` multiples of 1, 2, 2.5 or 5 times a power of ten that enclose the values.

    `whole`: they are whole numbers.
    """
    rough = max((high - low) / count, 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = [power * factor for factor in _STEPS]
    step = next(each for each in steps if each >= rough * 0.999 and (each.is_integer() or not whole))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return tuple(round(number * step, digits) for number in range(first, last + 1))
