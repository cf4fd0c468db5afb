"""Times of rows, for a split by time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hilir.components.example_gen.column_evidence import kind_of
from hilir.components.example_gen.convert import to_microseconds
from hilir.components.example_gen.readers.batch import is_list

# How many different times are told apart; when there are more, the last bits of them are left out.
_MOST = 1 << 16


@dataclass(frozen=True)
class Times:
    """The times of some rows.

    Attributes:
        values: microseconds since 1970-01-01 (UTC), or the whole part of numbers.
        valid: which rows have one.
        unit: `time` or `number`; empty: no row has one.
    """

    values: np.ndarray
    valid: np.ndarray
    unit: str


def read_times(column: pa.Array, form: str = "") -> Times:
    """Returns the times in a column of numbers, dates, or texts that are numbers or ISO 8601.

    `form`: how texts and whole numbers are times, as strptime has it, in place of the latter two.
    """
    if is_list(column.type):
        column = pc.list_element(pc.if_else(pc.greater(pc.list_value_length(column), 0), column, None), 0)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return Times(np.zeros(len(column), np.int64), np.zeros(len(column), bool), "")
    if pa.types.is_temporal(column.type):
        return _of(to_microseconds(column), "time")
    if form and kind_of(column.type) in ("string", "int"):
        return _of(_parse(column.cast(pa.string()), form), "time")
    if kind_of(column.type) != "string":
        return _of(_floor(column.cast(pa.float64())) if kind_of(column.type) == "float" else column, "number")
    texts = column.cast(pa.string())
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = pc.cast(texts, kind)
        except pa.ArrowInvalid:
            continue
        return _of(_floor(numbers) if kind == pa.float64() else numbers, "number")
    try:
        return _of(to_microseconds(pc.cast(texts, pa.timestamp("us"))), "time")
    except pa.ArrowInvalid:
        return _of(
            pa.array([None if text is None else read_date(text) for text in texts.to_pylist()], pa.int64()), "time"
        )


def _parse(texts: pa.StringArray, form: str) -> pa.Array:
    """Returns the microseconds since 1970-01-01 of texts of a form, null for others."""
    texts = pc.utf8_trim_whitespace(texts)
    if form.endswith("%S"):
        texts = pc.replace_substring_regex(texts, r"\.\d+$", "")
    return pc.strptime(texts, form, "us", error_is_null=True).cast(pa.int64())


def read_date(text: str, form: str = "") -> int | None:
    """Returns the microseconds since 1970-01-01 of a text that is ISO 8601 or of a form, UTC where it has no zone.

    None: it is neither.
    """
    if form:
        (found,) = _parse(pa.array([text]), form).to_pylist()
        if found is not None:
            return int(found)
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round((found - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)


def show(value: int, unit: str) -> str:
    """Returns a time for the user."""
    if unit == "number":
        return str(value)
    found = datetime.fromtimestamp(value / 1e6, UTC)
    return str(date(found.year, found.month, found.day)) if value % 86_400_000_000 == 0 else found.isoformat()


def _floor(values: pa.Array) -> pa.Array:
    """Returns the whole part of numbers; what has none is null."""
    finite = pc.if_else(pc.is_finite(values), pc.floor(values), pa.scalar(None, values.type))
    return finite.cast(pa.int64(), safe=False)


def _of(values: pa.Array, unit: str) -> Times:
    valid = pc.is_valid(values).to_numpy(zero_copy_only=False)
    return Times(
        pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False), valid, unit if valid.any() else ""
    )


@dataclass
class Histogram:
    """How many rows there are at each time, so coarse that it stays small.

    The coarseness depends on all times together, not on how they were added: a part of the rows never needs a coarser
    histogram than all of them.
    """

    shift: int = 0
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, values: np.ndarray) -> None:
        """Adds times."""
        self.merge(Histogram(0, dict(zip(*map(np.ndarray.tolist, np.unique(values, return_counts=True)), strict=True))))

    def merge(self, other: Histogram) -> None:
        """Adds another histogram."""
        shift = max(self.shift, other.shift)
        merged = _coarser(self.counts, shift - self.shift)
        for value, count in _coarser(other.counts, shift - other.shift).items():
            merged[value] = merged.get(value, 0) + count
        while len(merged) > _MOST:
            merged, shift = _coarser(merged, 1), shift + 1
        self.shift, self.counts = shift, merged

    def find_threshold(self, share: float) -> int:
        """Returns the time from which on the rows are nearest to a share of all."""
        total = sum(self.counts.values())
        best, rows, distance = max(self.counts), 0, float(total)
        for value in sorted(self.counts, reverse=True):
            rows += self.counts[value]
            if abs(rows - share * total) >= distance:
                break
            best, distance = value, abs(rows - share * total)
        return best << self.shift


def _coarser(counts: Mapping[int, int], shift: int) -> dict[int, int]:
    if not shift:
        return dict(counts)
    found: dict[int, int] = {}
    for value, count in counts.items():
        found[value >> shift] = found.get(value >> shift, 0) + count
    return found
