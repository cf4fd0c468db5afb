"""What is known of a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hilir.analysis.text import show_unprintable

FEATURES = ("number", "log number", "category", "large category", "date", "text", "tags", "vector")
"""Kinds that become inputs of the model; all others are left out."""


@dataclass(frozen=True)
class Column:
    """What a column is.

    Attributes:
        name: in the file, stripped.
        kind: one of `FEATURES`, or `id`, `group`, `constant`, `empty`, `duplicate`, `ambiguous date`, `mixed dates`,
            `leak`, `time`, `list`, `nested`, `too large`.
        why: the reason, a few words.
        missing: fraction of rows without a value.
        distinct: number of different values in the sample.
        format: of a date, as strptime has it or a unit of `dates`; of numbers in texts the decimal mark, `yes`, `units`
            or `clock`; of tags in texts what separates them.
        units: how much each unit is, of numbers whose format is `units` or `clock`.
        is_int: all numbers are whole.
        type: what the ingest makes of the values: `INT`, `FLOAT` or `BYTES`.
        width: of a vector.
        is_declared: the configuration has to say that it is text, as some of its values are numbers.
    """

    name: str
    kind: str
    why: str
    missing: float = 0.0
    distinct: int = 0
    format: str = ""
    is_int: bool = False
    type: str = "BYTES"
    width: int = 0
    is_declared: bool = False
    units: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_feature(self) -> bool:
        """Whether the model gets it."""
        return self.kind in FEATURES


def cut(text: object) -> str:
    """Returns a value as a table shows it."""
    shown = show_unprintable(str(text))
    return shown if len(shown) <= 24 else shown[:23] + "…"
