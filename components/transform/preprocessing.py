"""The function that TFX's Transform calls: the model package's own, with an error that names a missing column."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.errors import ModelPackageError
from hilir.components.missing import has_one_value
from hilir.components.opened_files import explain, find_files, find_undeclared, watch_files
from hilir.components.transform.unread import NONE, Unread, add_unread

progress = logging.getLogger("hilir.progress")

_told: set[str] = set()


def make_custom_config(package: str, code: str, weight: str | None = None) -> dict[str, str]:
    """Returns the Transform's `custom_config`.

    Args:
        package: import path of the model package.
        code: the fingerprint of the preprocessing, for TFX's cache.
        weight: the raw column with the weight of each row, which the training needs too.
    """
    return {"package": package, "code": code} | ({"weight": weight} if weight else {})


def add_single(custom_config: dict[str, str], schema: schema_pb2.Schema) -> dict[str, str]:
    """Returns the `custom_config` with the columns that have one value a row at most, known when the schema is."""
    names = sorted(feature.name for feature in schema.feature if has_one_value(feature))
    return custom_config | {"single": json.dumps(names)}


def leave_out(custom_config: dict[str, str], unread: Unread) -> dict[str, str]:
    """Returns the `custom_config` with the columns that TensorFlow Transform does not get."""
    return custom_config | {"unread": json.dumps(unread)}


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, str]) -> dict[str, Any]:
    """Returns what the package's `preprocessing_fn` returns.

    Args:
        inputs: the raw features by name.
        custom_config: as `make_custom_config`, `add_single` or `leave_out` returns it.

    A sparse column of one value a row at most is known to be one: made dense, it has the shape [rows, 1].

    Numbers and booleans come back as float32 and int64, which is what an Example has.

    Raises:
        ModelPackageError: the package reads a column that the data does not have, or returns something other than
            tensors by name.
    """
    package = custom_config["package"]
    inputs = add_unread(inputs, json.loads(custom_config["unread"]) if "unread" in custom_config else NONE)
    try:
        single = set(json.loads(custom_config.get("single", "[]")))
        wide = _widen_all(inputs, single)
        with watch_files() as opened:
            returned = import_module(f"{package}.preprocessing").preprocessing_fn(wide)
    except KeyError as error:
        (name,) = error.args
        if name in inputs:
            raise
        raise ModelPackageError(
            f"{package}.preprocessing reads the column '{name}', which the data does not have; "
            f"fix the data, or preprocessing_fn; the columns are {', '.join(sorted(inputs))}"
        ) from None
    outputs = _read_outputs(returned, package, _count_rows(wide))
    weight = custom_config.get("weight")
    if weight is not None and weight not in outputs:
        if weight not in inputs:
            raise ModelPackageError(
                f"{package}.features.WEIGHT is '{weight}', which is not a column of the data; "
                f"the columns are {', '.join(sorted(inputs))}"
            )
        outputs |= {weight: _as_numbers(inputs[weight])}
    if opened:
        _warn(package, opened)
    return outputs


def _count_rows(inputs: Mapping[str, Any]) -> set[int | None]:
    """Returns the numbers of rows that the inputs are known to have; None where it is not known."""
    return {value.shape[0] for value in inputs.values() if tf.is_tensor(value) and value.shape.rank}


def _read_outputs(returned: Any, package: str, rows: Collection[int | None]) -> dict[str, Any]:
    function = f"{package}.preprocessing.preprocessing_fn"
    if not isinstance(returned, Mapping):
        what = "nothing" if returned is None else f"a {type(returned).__name__}"
        raise ModelPackageError(f"{function} returns {what}; return a dictionary from the names of features to tensors")
    if not returned:
        raise ModelPackageError(f"{function} returns no features; return a dictionary from their names to tensors")
    for name, value in returned.items():
        if not isinstance(name, str) or not isinstance(value, tf.Tensor | tf.SparseTensor | tf.RaggedTensor):
            raise ModelPackageError(
                f"{function} returns {name!r}: {type(value).__name__}; return tensors, by names that are strings"
            )
        _require_rows(value, f"{function} returns '{name}'", rows)
        _require_width(value, f"{function} returns '{name}'")
    return {name: _as_stored(value) for name, value in returned.items()}


def _require_rows(value: Any, what: str, rows: Collection[int | None]) -> None:
    """Refuses what all rows have in common, such as a mean: a feature has a value for each row."""
    shape = value.shape
    if shape.rank == 0 or (shape.rank and shape[0] is not None and shape[0] not in rows):
        size = "one value" if not shape.rank else f"{shape[0]} row" + "s" * (shape[0] != 1)
        raise ModelPackageError(
            f"{what} with {size}, whatever the number of rows of the data; return a value for each row: what "
            f"is the same for all (tft.mean, tft.quantiles, tft.pca, a constant) can be computed with, not returned"
        )


def _require_width(value: Any, what: str) -> None:
    """Refuses what TensorFlow Transform could not store: dense tensors whose rows are not known to be alike."""
    shape = value.shape
    if isinstance(value, tf.Tensor) and (not shape.rank or None in shape[1:].as_list()):
        known = ", ".join("?" if size is None else str(size) for size in shape[1:]) if shape.rank else ""
        described = f"[rows, {known}]" if shape.rank else "of unknown rank"
        raise ModelPackageError(
            f"{what} as a dense tensor {described}, and each row needs as many values as the others: give it a width "
            f"(tf.ensure_shape; tf.sparse.to_dense of a tf.SparseTensor with the dense_shape [rows, width]), or return "
            f"it as it is, sparse or ragged"
        )


def _as_stored(value: Any) -> Any:
    if value.dtype.is_floating:
        return value if value.dtype == tf.float32 else tf.cast(value, tf.float32)
    if value.dtype.is_integer or value.dtype == tf.bool:
        return value if value.dtype == tf.int64 else tf.cast(value, tf.int64)
    return value


def _as_numbers(values: Any) -> Any:
    """Returns the column as float32; a missing value stays missing, for the trainer to refuse."""
    return tf.cast(values, tf.float32)


def _warn(package: str, opened: set[str]) -> None:
    undeclared = find_undeclared(opened, find_files(import_module(f"{package}.features")))
    note = explain(package, undeclared)
    # The function is traced many times.
    if undeclared and note not in _told:
        _told.add(note)
        progress.info("%s", note, extra={"progress": {"note": note}})


def _widen_all(inputs: Mapping[str, Any], single: Collection[str]) -> dict[str, Any]:
    """Widens each tensor once: columns that are not read share one."""
    found: dict[tuple[int, bool], Any] = {}
    for name, value in inputs.items():
        key = id(value), name in single
        if key not in found:
            found[key] = _widen(value, name in single)
    return {name: found[id(value), name in single] for name, value in inputs.items()}


def _widen(value: Any, single: bool) -> Any:
    """Gives a sparse column room for one value a row: made dense, a batch without any value still has all its rows."""
    if not isinstance(value, tf.SparseTensor) or value.shape.rank != 2:
        return value
    width = tf.constant(1, tf.int64) if single else tf.maximum(value.dense_shape[1], 1)
    shape = tf.stack([value.dense_shape[0], width])
    return tf.SparseTensor(value.indices, value.values, shape)
