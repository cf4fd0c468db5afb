"""Which rows of a batch belong to which slice."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow_model_analysis.api import types
from tensorflow_model_analysis.slicer import slice_accessor
from tensorflow_model_analysis.slicer import slicer_lib as slicer
from tensorflow_model_analysis.utils import util

SliceKey = tuple[tuple[str, Any], ...]


def find_slices(
    specs: Sequence[slicer.SingleSliceSpec], features: Mapping[str, Any], rows: int
) -> dict[SliceKey, np.ndarray]:
    """Returns the numbers of the rows of each slice, in ascending order.

    TFMA's own rules decide, once for each combination of values that occurs instead of once for each row.

    Args:
        specs: the slices to look for.
        features: raw columns as TFMA's features extractor leaves them, of so many `rows`.
        rows: number of rows.
    """
    columns: dict[str, _Column] = {}
    found: dict[SliceKey, list[np.ndarray]] = {}
    for spec in specs:
        names = _names_of(spec)
        for name in names:
            if name not in columns and name in features:
                columns[name] = _read_column(features[name], rows)
        if any(name not in columns for name in names):
            continue
        for values, members in _group([columns[name] for name in names], rows):
            accessor = slice_accessor.SliceAccessor([], dict(zip(names, values, strict=True)))
            for key in spec.generate_slices(accessor):
                found.setdefault(key, []).append(members)
    return {key: parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts)) for key, parts in found.items()}


def list_columns(specs: Iterable[slicer.SingleSliceSpec]) -> set[str]:
    """Returns the columns that the slices look at."""
    return {name for spec in specs for name in _names_of(spec)}


class _Column:
    """The values of a column: `codes`, one a row, count through `values`, each as a row has it."""

    def __init__(self, codes: np.ndarray, values: Sequence[Any]) -> None:
        self.codes, self.values = codes, values


def _names_of(spec: slicer.SingleSliceSpec) -> list[str]:
    described = spec.to_proto()
    return sorted({*described.feature_keys, *described.feature_values})


def _read_column(value: Any, rows: int) -> _Column:
    if isinstance(value, np.ndarray) and value.size == rows and (value.dtype != object or value.ndim > 1):
        each, codes = np.unique(value.reshape(rows), return_inverse=True)
        return _Column(codes.reshape(rows), [each[number : number + 1] for number in range(len(each))])
    # Several values in a row, or none.
    numbers: dict[Hashable, int] = {}
    values: list[Any] = []
    codes = np.empty(rows, np.int64)
    for row, parts in enumerate(util.split_extracts({"column": value})):
        part = parts["column"]
        identity = _identify(part)
        if identity not in numbers:
            numbers[identity] = len(values)
            values.append(part)
        codes[row] = numbers[identity]
    return _Column(codes, values)


def _identify(value: Any) -> Hashable:
    if value is None:
        return None
    inner = value.values if isinstance(value, types.SparseTensorValue | types.RaggedTensorValue) else value
    return tuple(np.asarray(inner).reshape(-1).tolist())


def _group(columns: Sequence[_Column], rows: int) -> Iterable[tuple[list[Any], np.ndarray]]:
    """Yields each combination of values that occurs, with its rows."""
    if not columns:
        yield [], np.arange(rows)
        return
    combined: np.ndarray = np.zeros(rows, np.int64)
    for column in columns:
        combined = combined * len(column.values) + column.codes
    order = np.argsort(combined, kind="stable")
    starts = np.flatnonzero(np.diff(combined[order], prepend=-1))
    for start, end in zip(starts, [*starts[1:], rows], strict=True):
        members = order[start:end]
        yield [column.values[column.codes[members[0]]] for column in columns], members
