"""Rows that have their label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow_model_analysis import constants

from hilir.components.missing import MISSING_INT

_PER_ROW = (constants.LABELS_KEY, constants.PREDICTIONS_KEY, constants.EXAMPLE_WEIGHTS_KEY)


def find_labelled(labels: Any, rows: int) -> np.ndarray:
    """Says for each row whether it has its label, or all of its labels by output; one with several values has.

    Args:
        labels: [rows, …], or by the name of the output.
        rows: number of rows.
    """
    complete: np.ndarray = np.ones(rows, bool)
    if isinstance(labels, Mapping):
        for each in labels.values():
            complete = complete & find_labelled(each, rows)
        return complete
    values: np.ndarray = np.asarray(labels).reshape(-1)
    if values.size == rows and values.dtype.kind in "OSU":
        complete[:] = [value not in ("", b"") for value in values.tolist()]
    elif values.size == rows:
        complete = ~((values != values) | (values == MISSING_INT))
    return complete


def take_rows(extracts: Mapping[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """Returns labels, predictions and weights of these rows, as arrays.

    Raises:
        ValueError: a row has no weight, or several.
    """
    return {name: _take(extracts[name], rows) for name in _PER_ROW if extracts.get(name) is not None}


def _take(value: Any, rows: np.ndarray) -> Any:
    if isinstance(value, Mapping):
        return {name: _take(each, rows) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        return value[rows]
    # A column of weights, of any number of values a row as far as its type goes.
    places = np.asarray(value.indices)[:, 0]
    if not np.array_equal(places, np.arange(int(value.dense_shape[0]))):
        raise ValueError("there are rows without a weight, or with several; give each row one")
    return np.asarray(value.values)[rows]
