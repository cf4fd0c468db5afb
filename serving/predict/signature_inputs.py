"""From the columns of a piece to what a signature takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hilir.serving.errors import PredictError
from hilir.serving.missing import MISSING_INT, MISSING_NUMBER
from hilir.serving.server.tensors import dtypes

_WORDS = {"true": 1, "false": 0}


def make_input(values: Any, name: str, dtype: int, shape: tuple[int, ...], *, takes_missing: bool) -> np.ndarray:
    """Returns a column as the array of an input, [rows, …].

    Args:
        values: an Arrow array, or a list of decoded JSON values.
        name: of the column, for messages.
        dtype: number of the input's dtype.
        shape: of the input, the rows first; -1 for any size. Two unknown dimensions are several values a row, and rows
            with fewer are padded.
        takes_missing: whether a row may have no value, which is marked as `serving_default` of hilir's models wants.

    Raises:
        PredictError: a value is not one of that type; the message counts rows within the piece, from 0, as `row`.
    """
    array = _to_arrow(values, name, dtype)
    if pa.types.is_null(array.type):
        array = pc.cast(array, pa.string() if dtype == dtypes.STRING else pa.float64())
    if not takes_missing and array.null_count:
        row = int(pc.index(pc.is_null(array), value=True).as_py())
        raise CellError(name, row, "no value", "the model does not accept")
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        return _from_lists(array, name, dtype, shape)
    found = _flat(array, name, dtype)
    if len(shape) <= 1:
        return found
    if all(size in (1, -1) for size in shape[1:]):
        return found.reshape([len(found), *[1] * (len(shape) - 1)])
    raise CellError(name, 0, "one value", f"is not of the shape {list(shape[1:])} that the model takes")


class CellError(PredictError):
    """A cell that the model cannot take; `row` is its place in the piece, from 0."""

    def __init__(self, name: str, row: int, found: str, reason: str) -> None:
        self.name, self.row, self.found, self.reason = name, row, found, reason
        super().__init__(f"column '{name}', row {row + 1}: {found}: {reason}")


def _to_arrow(values: Any, name: str, dtype: int) -> Any:
    if not isinstance(values, list):
        return values.storage if isinstance(values, pa.ExtensionArray) else values
    try:
        if dtype == dtypes.STRING:
            return pa.array(values, pa.string()) if not _has_lists(values) else pa.array(values, pa.list_(pa.string()))
        return pa.array([int(value) if isinstance(value, bool) else value for value in values])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        row = next((row for row, value in enumerate(values) if not _fits(value, dtype)), 0)
        raise CellError(name, row, repr(values[row])[:80], f"is not a {_kind(dtype)}") from None


def _has_lists(values: list[Any]) -> bool:
    return any(isinstance(value, list) for value in values)


def _fits(value: Any, dtype: int) -> bool:
    if value is None:
        return True
    return isinstance(value, str) if dtype == dtypes.STRING else isinstance(value, int | float)


def _kind(dtype: int) -> str:
    if dtype == dtypes.STRING:
        return "string"
    return "number" if dtype in (dtypes.FLOAT, dtypes.DOUBLE, dtypes.HALF) else "whole number"


def _flat(array: Any, name: str, dtype: int) -> np.ndarray:
    """Returns an array of single values, [rows]."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if dtype == dtypes.STRING:
        return _strings(array, name)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int64())
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        # Microseconds since 1970, as the ingest makes them.
        array = array.cast(pa.timestamp("us", getattr(array.type, "tz", None)), safe=False).cast(pa.int64())
    is_float = dtype in (dtypes.FLOAT, dtypes.DOUBLE, dtypes.HALF)
    numbers = _cast(array, pa.float64() if is_float else pa.int64(), name, dtype)
    numbers = pc.fill_null(numbers, MISSING_NUMBER if is_float else MISSING_INT)
    found: np.ndarray = numbers.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        return found.astype(dtypes.NUMPY[dtype], copy=False)


def _cast(array: Any, kind: Any, name: str, dtype: int) -> Any:
    try:
        return array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    try:
        # A column of whole numbers with gaps is often written as 5.0; true and false stand for 1 and 0.
        words = array
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            lower = pc.utf8_lower(pc.utf8_trim_whitespace(array))
            for word, number in _WORDS.items():
                lower = pc.if_else(pc.equal(lower, word), pa.scalar(str(number), lower.type), lower)
            is_nan = pc.equal(lower, "nan")
            words = pc.if_else(is_nan, pa.scalar(None, lower.type), lower)
        return words.cast(pa.float64()).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        row = next(row for row in range(len(array)) if not _casts(array[row : row + 1], kind))
        raise CellError(name, row, f"'{array[row].as_py()}'"[:80], f"is not a {_kind(dtype)}") from None


def _casts(array: Any, kind: Any) -> bool:
    try:
        array.cast(pa.float64()).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        text = str(array[0].as_py()).strip().lower()
        return text in (*_WORDS, "nan")
    return True


def _strings(array: Any, name: str) -> np.ndarray:
    """Returns bytes; equal strings are one object, which is far quicker than one each."""
    kind = array.type
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind)):
        if pa.types.is_nested(kind):
            raise CellError(name, 0, str(array[0].as_py())[:80], "is not a string")
        array = array.cast(pa.string())
    encoded = pc.fill_null(array, b"" if pa.types.is_binary(kind) else "").cast(pa.binary()).dictionary_encode()
    values: np.ndarray = np.empty(len(encoded.dictionary), dtype=object)
    values[:] = encoded.dictionary.to_pylist()
    taken: np.ndarray = values[encoded.indices.to_numpy(zero_copy_only=False)]
    return taken


def _from_lists(array: Any, name: str, dtype: int, shape: tuple[int, ...]) -> np.ndarray:
    """Returns lists of values as [rows, …]; where the second dimension is free, padded to the longest row."""
    array = array.cast(pa.large_list(array.type.value_type))
    depth = 0
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    flat = array.flatten()
    while pa.types.is_nested(flat.type):
        flat, depth = pc.list_flatten(flat), depth + 1
    values = _flat(flat, name, dtype)
    free = len(shape) == 2 and shape[1] == -1
    size = int(np.prod([each for each in shape[1:]])) if -1 not in shape[1:] else 0
    if not free and depth == 0 and len(shape) == 1 and np.all(lengths == 1):
        return values
    if not free:
        wrong = (
            np.flatnonzero(lengths != (shape[1] if len(shape) > 1 else 1)) if depth else np.flatnonzero(lengths != size)
        )
        if len(wrong) or (size and len(values) != size * len(array)):
            row = int(wrong[0]) if len(wrong) else 0
            raise CellError(
                name, row, f"{int(lengths[row])} values", f"is not the shape {list(shape[1:])} that the model takes"
            )
        return values.reshape([len(array), *shape[1:]])
    width = max(1, int(lengths.max(initial=0)))
    missing: Any = b"" if dtype == dtypes.STRING else MISSING_NUMBER if values.dtype.kind == "f" else MISSING_INT
    padded: np.ndarray = np.full((len(array), width), missing, dtype=values.dtype)
    padded[np.arange(width) < lengths[:, None]] = values
    return padded
