"""Turns columns into what a tf.Example has: lists of whole numbers, floats or bytes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hilir.components.example_gen import numbers
from hilir.components.example_gen.column_evidence import kind_of
from hilir.components.example_gen.column_types import Column
from hilir.components.example_gen.readers.batch import is_list
from hilir.components.example_gen.settings import CsvSettings

_ARROW = {"int": pa.int64(), "float": pa.float64(), "string": pa.string()}
_EXAMPLE = {"int": pa.int64(), "float": pa.float32(), "string": pa.binary()}


def convert(
    values: pa.Array, column: Column, settings: CsvSettings, *, texts: bool
) -> tuple[pa.ListArray, np.ndarray | None]:
    """Returns a column as lists, null where it is missing, and which rows do not fit its type (None: all do).

    NaN as the only value of a row is missing; null within a list is left out.

    Args:
        values: the column, with one value or a list of values in each row.
        column: what it becomes.
        settings: how numbers are written in texts.
        texts: whether it is of texts.
    """
    assert column.kind is not None
    if pa.types.is_null(values.type):
        return pa.ListArray.from_arrays(
            np.zeros(len(values) + 1, np.int32), pa.array([], _EXAMPLE[column.kind]), mask=pc.is_null(values)
        ), None
    if is_list(values.type):
        parents = pc.list_parent_indices(values).to_numpy()
        flat, bad = _convert_flat(values.flatten(), column, settings, texts=False)
        if column.kind == "float":
            alone = np.bincount(parents, minlength=len(values))[parents] == 1
            missing = pc.and_(pc.is_nan(flat), pa.array(alone))
            values = pc.if_else(_rows_of(parents, missing, len(values)), None, values)
            flat = pc.if_else(missing, pa.scalar(None, flat.type), flat)
        kept = pc.is_valid(flat).to_numpy(zero_copy_only=False)
        lengths = np.bincount(parents[kept], minlength=len(values))
        rows = None if bad is None else np.bincount(parents, weights=bad, minlength=len(values)) > 0
    else:
        flat, rows = _convert_flat(values, column, settings, texts=texts)
        if column.kind == "float" and not texts:
            flat = pc.if_else(pc.is_nan(flat), pa.scalar(None, flat.type), flat)
        lengths = pc.is_valid(flat).to_numpy(zero_copy_only=False).astype(np.int32)
        values = flat
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    if column.length is not None:
        other = lengths != column.length
        rows = other if rows is None else rows | other
    made = pa.ListArray.from_arrays(
        pa.array(offsets), flat.drop_null().cast(_EXAMPLE[column.kind], safe=False), mask=pc.is_null(values)
    )
    return made, rows


def _rows_of(parents: np.ndarray, flat: pa.BooleanArray, count: int) -> pa.BooleanArray:
    """Returns the rows in which any value is."""
    chosen = pc.fill_null(flat, fill_value=False).to_numpy(zero_copy_only=False)
    return pa.array(np.bincount(parents, weights=chosen, minlength=count) > 0)


def _convert_flat(
    values: pa.Array, column: Column, settings: CsvSettings, *, texts: bool
) -> tuple[pa.Array, np.ndarray | None]:
    assert column.kind is not None
    kind = column.kind
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if texts or (kind != "string" and kind_of(values.type) == "string"):
        return _convert_texts(values.cast(pa.string()), column, settings)
    if kind == "string":
        return (values if kind_of(values.type) == "string" else values.cast(pa.string())), None
    if pa.types.is_temporal(values.type):
        values = to_microseconds(values)
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if kind == "int" and kind_of(values.type) == "float":
        return _whole_only(values.cast(pa.float64()))
    return values.cast(_ARROW[kind], safe=kind == "int"), None


def _whole_only(values: pa.Array) -> tuple[pa.Array, np.ndarray | None]:
    """Returns floats as whole numbers, and those that are none."""
    is_whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**63))
    bad = pc.invert(pc.or_(pc.fill_null(is_whole, fill_value=True), pc.fill_null(pc.is_nan(values), fill_value=False)))
    whole = pc.if_else(pc.fill_null(is_whole, fill_value=False), values, pa.scalar(None, pa.float64()))
    return whole.cast(pa.int64()), bad.to_numpy(zero_copy_only=False)


def to_microseconds(values: pa.Array) -> pa.Array:
    """Returns dates, times and durations as whole numbers of microseconds, dates and times since 1970-01-01 (UTC)."""
    kind = values.type
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp("us")).cast(pa.int64())
    if pa.types.is_time(kind):
        return values.cast(pa.time64("us"), safe=False).cast(pa.int64())
    if pa.types.is_duration(kind):
        return values.cast(pa.duration("us"), safe=False).cast(pa.int64())
    return values.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())


def _convert_texts(texts: pa.StringArray, column: Column, settings: CsvSettings) -> tuple[pa.Array, np.ndarray | None]:
    texts = numbers.with_nulls(texts, settings)
    if column.kind == "string":
        return texts, None
    kind = _ARROW[str(column.kind)]
    values = numbers.cast_as_they_are(texts, kind, settings)
    if values is not None:
        return _without_nan(values), None
    texts = numbers.without_missing(texts, settings)
    values = _cast(texts, kind, settings)
    if values is not None:
        return values, None
    good = [text is None or _fits(text, kind, settings) for text in texts.to_pylist()]
    values = _cast(pc.if_else(pa.array(good), texts, pa.scalar(None, pa.string())), kind, settings)
    return values, ~np.array(good)


def _cast(texts: pa.StringArray, kind: pa.DataType, settings: CsvSettings) -> pa.Array | None:
    values = numbers.cast(texts, kind, settings)
    return numbers.cast_whole(texts, settings) if values is None and kind == pa.int64() else values


def _without_nan(values: pa.Array) -> pa.Array:
    if not pa.types.is_floating(values.type):
        return values
    is_nan = pc.is_nan(values)
    return pc.if_else(is_nan, pa.scalar(None, values.type), values) if pc.any(is_nan).as_py() else values


def _fits(text: str, kind: pa.DataType, settings: CsvSettings) -> bool:
    return _cast(pa.array([text]), kind, settings) is not None
