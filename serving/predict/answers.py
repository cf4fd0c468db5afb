"""From the outputs of a signature to the columns of the written file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

_HALF = 0.5


@dataclass
class AnswerColumns:
    """Names the columns that the first piece makes, and makes the same of all others.

    A score of each class becomes a column `<output>_<class>`, and `class` has the name of the class with the largest
    one. A single score of two classes stays one column, and `class` is the second class from 0.5 on. Where nothing says
    the names of the classes, outputs keep their names, and those with several values a row get a number each.

    Args:
        classes: names of the classes by label, as the manifest has them.
        taken: names that the file has already; a column of such a name is called `predicted_<name>`.
        labels: of several labels the one of each output.
    """

    classes: Mapping[str, Sequence[str]]
    taken: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    _unbounded: set[str] = field(default_factory=set)
    _first: bool = True

    def make(self, outputs: Mapping[str, np.ndarray]) -> dict[str, pa.Array]:
        """Returns the columns of a piece, [rows] each."""
        found: dict[str, pa.Array] = {}
        names = {f"{name}_classes" for name in outputs} | {"classes"}
        scores = {name: value for name, value in outputs.items() if name not in names}
        for name, value in scores.items():
            rows = value.reshape([len(value), -1])
            shown = self._class_names(name, rows, outputs)
            prefix = "" if len(scores) == 1 else f"{name}_"
            if shown and self._has_class(name, rows):
                found[f"{prefix}class"] = _pick(rows, shown)
            width = rows.shape[1]
            if width == 1:
                found[name] = _column(rows[:, 0])
                continue
            ends = shown if len(shown) == width else [str(index) for index in range(width)]
            for index, end in enumerate(ends):
                found[f"{name}_{end}"] = _column(rows[:, index])
        self._first = False
        return {f"predicted_{name}" if name in self.taken else name: value for name, value in found.items()}

    def _class_names(self, output: str, rows: np.ndarray, outputs: Mapping[str, np.ndarray]) -> list[str]:
        """Returns the names of the classes of an output: one for each score, or two for a single score."""
        width = rows.shape[1]
        classes = self.classes
        if self.labels:
            label = self.labels.get(output, "")
            classes = {label: classes[label]} if label in classes else {}
            if not classes:
                return []
        given = outputs.get(f"{output}_classes", outputs.get("classes"))
        if given is not None and given.ndim == 2 and given.shape[1] == width and len(given):
            shown = [_text(name) for name in given[0].tolist()]
            if width > 1:
                return shown
            return next((list(names) for names in classes.values() if list(names[1:]) == shown), [])
        if len(classes) == 1:
            (names,) = classes.values()
            if len(names) == width > 1 or (width == 1 and len(names) == 2):
                return list(names)
        return []

    def _has_class(self, output: str, rows: np.ndarray) -> bool:
        """Says whether scores are probabilities: a single one beyond 0 and 1 does not say which class it means."""
        if self._first and rows.shape[1] == 1 and not np.all((rows >= 0) & (rows <= 1)):
            self._unbounded.add(output)
        return output not in self._unbounded


def _pick(rows: np.ndarray, names: Sequence[str]) -> pa.Array:
    largest = rows.argmax(axis=1) if rows.shape[1] > 1 else (rows[:, 0] >= _HALF).astype(np.int64)
    return pa.DictionaryArray.from_arrays(pa.array(largest, pa.int32()), pa.array(names, pa.string())).cast(pa.string())


def _column(values: np.ndarray) -> pa.Array:
    if values.dtype == object:
        return pa.array([_text(value) for value in values.tolist()], pa.string())
    return pa.array(np.ascontiguousarray(values))


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
