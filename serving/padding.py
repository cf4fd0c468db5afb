"""Rows as arrays: missing values and rows of different lengths get the missing value of `serving_default`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hilir.serving.errors import ServingError
from hilir.serving.missing import MISSING_INT, MISSING_NUMBER, MISSING_STRING

_MISSING: tuple[tuple[type, Any], ...] = (
    (str, MISSING_STRING),
    (bytes, MISSING_STRING.encode()),
    (float, MISSING_NUMBER),
    (int, MISSING_INT),
)


def make_array(value: Any) -> np.ndarray:
    """Returns padded rows as an array; strings as objects, since NumPy's own types lose zeros at the end of bytes."""
    padded = pad_rows(value)
    array: np.ndarray = np.asarray(padded)
    return np.asarray(padded, object) if array.dtype.kind in "SU" and padded is not array else array


def pad_rows(value: Any) -> Any:
    """Returns the value for each row, or the values of each row padded at their end to the length of the longest.

    Args:
        value: one value a row, or a list of values a row; None is a missing value, or a row without values. Anything
            else, arrays and lists of lists of lists among it, is returned as it is.

    Raises:
        ServingError: all values are None, so that their type is unknown.
    """
    if not isinstance(value, list | tuple):
        return value
    if not any(_is_list(row) for row in value):
        return _replace_none(value, _find_missing(value)) if any(cell is None for cell in value) else value
    rows = [[] if row is None else row for row in value]
    if not all(_is_list(row) for row in rows) or any(_is_list(cell) for row in rows for cell in row):
        return value
    cells = [cell for row in rows for cell in row]
    width = max(map(len, rows))
    if all(len(row) == width for row in rows) and not any(cell is None for cell in cells):
        return rows
    missing = _find_missing(cells)
    return [[*_replace_none(row, missing), *[missing] * (width - len(row))] for row in rows]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _replace_none(cells: Sequence[Any], missing: Any) -> list[Any]:
    return [missing if cell is None else cell for cell in cells]


def _find_missing(cells: Iterable[Any]) -> Any:
    kinds = {type(cell) for cell in cells if cell is not None}
    for kind, missing in _MISSING:
        if any(issubclass(found, kind) for found in kinds):
            return missing
    raise ServingError(
        'all values are None, so that their type is unknown; send NaN for a number, -2**63 for a whole one, "" for text'
    )
