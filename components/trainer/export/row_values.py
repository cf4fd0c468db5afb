"""The values of a raw row as `serving_default` takes them: how a missing one is marked, and how rows are padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hilir.components.missing import MISSING_INT, MISSING_VALUES

_LISTS = {"float32": "float_list", "int64": "int64_list", "string": "bytes_list"}


def read_values(example: tf.train.Example, name: str, dtype: str) -> list[Any]:
    """Returns the values that a row has for a feature: floats, ints or bytes; none where it is missing."""
    return list(getattr(example.features.feature[name], _LISTS[dtype]).value)


def make_array(rows: Sequence[Sequence[Any]], dtype: str, shape: Sequence[int | None]) -> np.ndarray:
    """Returns the rows' values as an array, [rows, *shape].

    Args:
        rows: the values of each row, none where they are missing.
        dtype: name of the feature's type.
        shape: shape of one row; one None means as many values as the longest row has, at least one, and the others are
            padded at their end.
    """
    width = 1 if None not in shape else max(1, *(len(values) for values in rows))
    padded = [[*values, *[MISSING_VALUES[dtype]] * (width - len(values))] for values in rows]
    array: np.ndarray = np.array(padded, object if dtype == "string" else dtype)
    return array.reshape([len(rows), *(width if size is None else size for size in shape)])


def is_present(values: tf.Tensor) -> tf.Tensor:
    """Returns for each value whether it is another than the missing one."""
    if values.dtype == tf.string:
        return tf.not_equal(values, "")
    if values.dtype.is_floating:
        return tf.logical_not(tf.math.is_nan(values))
    return tf.not_equal(values, tf.constant(MISSING_INT, values.dtype))
