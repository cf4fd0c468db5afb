"""The values of one feature in an open window, counted as they come; as JSON they survive the process."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hilir.analysis.drift import count_outside
from hilir.analysis.reference import (
    CategoryReference,
    FeatureReference,
    NumberReference,
    count_numbers,
    find_range,
    name_category,
)
from hilir.serving.missing import MISSING_INT, MISSING_STRING
from hilir.serving.request_log.request import Column, Value

# Values that are kept for the histogram that TFDV would make; a sample where there are more.
_KEPT_VALUES = 2000
# Names of values that the reference does not have; others are counted together.
_KEPT_NAMES = 1000


class NumberCounts:
    """Numbers in the bins of a reference."""

    def __init__(self, reference: NumberReference, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self._reference = reference
        self._counts = np.array(state.get("counts", [0] * len(reference.counts)), np.int64)
        self._sample = np.array(state.get("sample", []), np.float64)
        self._range: tuple[float | None, float | None] = (state.get("low"), state.get("high"))
        self.rows, self.missing = int(state.get("rows", 0)), int(state.get("missing", 0))
        self.outside, self.faults = int(state.get("outside", 0)), int(state.get("faults", 0))
        self._pending: list[float] = []

    def add(self, column: Column) -> None:
        """Counts the rows of a request; NaN, "" and -2^63 are missing values."""
        for row in column:
            found = [number for number in map(_to_number, row) if not math.isnan(number)]
            self.faults += sum(_is_fault(value) for value in row)
            self.rows += 1
            self.missing += not found
            self._pending += found

    def state(self) -> dict[str, Any]:
        """Returns what the constructor takes."""
        self._fold()
        low, high = self._range
        return {
            "counts": self._counts.tolist(), "sample": self._sample.tolist(), "low": low, "high": high,
            "rows": self.rows, "missing": self.missing, "outside": self.outside, "faults": self.faults,
        }  # fmt: skip

    def result(self) -> FeatureReference:
        """Returns the window in the bins of the reference."""
        self._fold()
        edges = self._reference.edges
        return NumberReference(edges, tuple(self._counts.tolist()), *self._range, self.rows, self.missing)

    @property
    def sample(self) -> np.ndarray:
        """A uniform sample of the values, with the smallest and the largest; all of them while they are few."""
        self._fold()
        ends = [end for end in self._range if end is not None and self._counts.sum() > self._sample.size]
        found: np.ndarray = np.append(self._sample, ends)
        return found

    def _fold(self) -> None:
        values = np.array(self._pending, np.float64)
        self._pending = []
        if not values.size:
            return
        seen = int(self._counts.sum())
        self._counts += count_numbers(values, self._reference.edges)
        self.outside += count_outside(self._reference, values)
        ends = [end for end in (*self._range, *find_range(values)) if end is not None]
        self._range = (min(ends), max(ends)) if ends else (None, None)
        self._sample = _sample(self._sample, values, seen)


class CategoryCounts:
    """Categories by name."""

    def __init__(self, reference: CategoryReference, state: Mapping[str, Any] | None = None) -> None:
        state = state or {}
        self._reference = reference
        self.names: dict[str, int] = dict(state.get("names", {}))
        self._others = int(state.get("others", 0))
        self.rows, self.missing = int(state.get("rows", 0)), int(state.get("missing", 0))
        self.outside = self.faults = 0

    def add(self, column: Column) -> None:
        """Counts the rows of a request."""
        for row in column:
            found = [_to_name(value) for value in row if not _is_missing(value)]
            self.rows += 1
            self.missing += not found
            for name in found:
                if name in self.names or name in self._reference.counts or len(self.names) < _KEPT_NAMES:
                    self.names[name] = self.names.get(name, 0) + 1
                else:
                    self._others += 1

    def state(self) -> dict[str, Any]:
        """Returns what the constructor takes."""
        return {"names": self.names, "others": self._others, "rows": self.rows, "missing": self.missing}

    def result(self) -> FeatureReference:
        """Returns the window with the values that the reference has by name."""
        known = {name: count for name, count in self.names.items() if name in self._reference.counts}
        other = sum(self.names.values()) + self._others - sum(known.values())
        return CategoryReference(known, other, self.rows, self.missing)

    @property
    def new_names(self) -> list[tuple[str, int]]:
        """Values that the reference does not have by name, the most frequent first."""
        new = [(name, count) for name, count in self.names.items() if name not in self._reference.counts]
        return sorted(new, key=lambda item: (-item[1], item[0]))


Counts = NumberCounts | CategoryCounts


def open_counts(reference: FeatureReference, state: Mapping[str, Any] | None = None) -> Counts:
    """Returns counts of the reference's kind, empty or as `state` says."""
    if isinstance(reference, NumberReference):
        fits = state is not None and len(state.get("counts", ())) == len(reference.counts)
        return NumberCounts(reference, state if fits else None)
    return CategoryCounts(reference, state)


def _sample(kept: np.ndarray, values: np.ndarray, seen: int) -> np.ndarray:
    """Returns a uniform sample of all values so far (Vitter's algorithm R), the same for the same values."""
    room = max(_KEPT_VALUES - kept.size, 0)
    kept, rest = np.concatenate([kept, values[:room]]), values[room:]
    if rest.size:
        numbers: np.ndarray = seen + min(room, values.size) + np.arange(1, rest.size + 1)
        places = np.random.default_rng(seen).integers(0, numbers)
        chosen = places < kept.size
        # Of two for one place the later one stays, as if they had come one by one.
        kept[places[chosen]] = rest[chosen]
    return kept


def _to_number(value: Value) -> float:
    try:
        number = float(value) if value not in (None, MISSING_STRING, b"") else math.nan
    except (TypeError, ValueError):
        return math.nan
    return math.nan if number == MISSING_INT else number


def _is_fault(value: Value) -> bool:
    """Returns whether a value that is there is not a number."""
    return isinstance(value, (str, bytes)) and bool(value) and math.isnan(_to_number(value))


def _is_missing(value: Value) -> bool:
    return value in (None, MISSING_STRING, b"") or (
        isinstance(value, float) and (math.isnan(value) or value == MISSING_INT)
    )


def _to_name(value: Value) -> str:
    if isinstance(value, (bytes, str)):
        return name_category(value)
    return name_category(f"{value:g}" if isinstance(value, float) else str(value))


def join_outputs(outputs: Mapping[str, Column], predictions: Sequence[str]) -> dict[str, Column]:
    """Returns outputs under the names of a reference's predictions.

    A score of several is NAME[COLUMN], and NAME:largest is the column of the largest. The outputs of Classify and
    Regress have names of the protocol; where there is one output only, it is that one.
    """
    found: dict[str, Column] = {}
    for name, column in _rename(outputs, predictions).items():
        for each in predictions:
            if each == name:
                found[each] = column
            elif each == f"{name}:largest":
                found[each] = [[str(int(np.argmax(row)))] if _are_numbers(row) else [] for row in column]
            elif each.startswith(f"{name}[") and each[len(name) + 1 : -1].isdigit():
                place = int(each[len(name) + 1 : -1])
                found[each] = [row[place : place + 1] for row in column]
    return found


def _rename(outputs: Mapping[str, Column], predictions: Sequence[str]) -> dict[str, Column]:
    bases = {name.partition("[")[0].removesuffix(":largest") for name in predictions}
    numbers = {name: column for name, column in outputs.items() if column and _are_numbers(column[0])}
    if len(bases) == 1 and len(numbers) == 1 and not bases & outputs.keys():
        return {**outputs, next(iter(bases)): next(iter(numbers.values()))}
    return dict(outputs)


def _are_numbers(row: Sequence[Value]) -> bool:
    return bool(row) and all(isinstance(value, (int, float)) for value in row)
