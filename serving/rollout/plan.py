"""What is typed for a rollout: steps and durations."""

from __future__ import annotations

import math
import re

from hilir.serving.errors import ServingConfigError
from hilir.serving.releases.actor import make_printable

DEFAULT_STEPS = "1,5,25,50,100"
DEFAULT_HOLD = "10m"

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_steps(text: str) -> tuple[float, ...]:
    """Returns the candidate's percent of the traffic, step by step.

    Raises:
        ServingConfigError: they are not ascending numbers above 0, up to 100.
    """
    try:
        steps = tuple(float(word) for word in text.split(","))
    except ValueError:
        steps = ()
    ascending = all(earlier < later for earlier, later in zip((0.0, *steps), steps, strict=False))
    hundredths = all(math.isfinite(step) and abs(step * 100 - round(step * 100)) < 1e-9 for step in steps)
    if not steps or not ascending or not hundredths or steps[-1] > 100:
        raise ServingConfigError(
            f"--steps {make_printable(text)}: write ascending percentages above 0, with at most two decimals, "
            f"like {DEFAULT_STEPS}"
        )
    return steps


def parse_duration(option: str, text: str) -> float:
    """Returns the seconds of a duration like 90s, 10m, 2h or 1d; a number alone is seconds.

    Raises:
        ServingConfigError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None:
        raise ServingConfigError(f"{option} {make_printable(text)}: write a duration like 90s, 10m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2] or "s"]


def describe_duration(seconds: float) -> str:
    """Returns a duration as it would be typed."""
    for unit, size in reversed(_UNITS.items()):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
