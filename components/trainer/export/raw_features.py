"""Features between their three forms: serialized tf.Examples, tensors of preprocessing_fn, and what a caller sends."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.errors import ModelPackageError
from hilir.components.missing import MISSING_VALUES, has_one_value
from hilir.components.trainer.export.row_values import is_present

Tensors = dict[str, tf.Tensor]

TYPICAL = "hilir.typical="
"""Begins the tag of a feature in the schema that has its typical value, as JSON."""

TYPICAL_FILE = "assets.extra/typical.json"
"""In a SavedModel's folder: the typical values by raw feature, where preprocessing_fn needs a value in each row."""


@dataclass(frozen=True)
class RawFeature:
    """A feature as `tf.io.parse_example` gives it, and whether a row may have several values of it.

    `typical` stands in for a missing value of a feature that preprocessing_fn needs in each row; None: nothing does.
    """

    spec: Any
    several: bool
    typical: Any = None

    @property
    def dtype(self) -> tf.DType:
        """The type of its values."""
        return self.spec.dtype

    @property
    def is_fixed(self) -> bool:
        """Whether every row has all of its values."""
        return isinstance(self.spec, tf.io.FixedLenFeature)

    @property
    def spec_of_any_row(self) -> Any:
        """How `tf.io.parse_example` reads rows that may lack the feature: it is typical then, or marked as missing."""
        if not self.is_fixed:
            return self.spec
        value = MISSING_VALUES[self.dtype.name] if self.typical is None else self.typical
        default: np.ndarray = np.full(self.spec.shape, value, self.dtype.as_numpy_dtype)
        return tf.io.FixedLenFeature(self.spec.shape, self.dtype, default)

    def fill(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the values of a fixed feature with the typical one where they are missing."""
        if self.typical is None:
            return values
        return tf.where(is_present(values), values, tf.constant(self.typical, self.dtype))

    @property
    def type_spec(self) -> tf.TypeSpec:
        """What preprocessing_fn takes: a tensor [rows, …], a sparse or a ragged one [rows, values]."""
        if self.is_fixed:
            return tf.TensorSpec([None, *self.spec.shape], self.dtype)
        if isinstance(self.spec, tf.io.VarLenFeature):
            return tf.SparseTensorSpec([None, None], self.dtype)
        return tf.RaggedTensorSpec([None, None], self.dtype, row_splits_dtype=self.spec.row_splits_dtype)

    @property
    def dense_spec(self) -> tf.TensorSpec:
        """What a caller sends: [rows] for one value a row, [rows, values] for several, else [rows, …]."""
        if self.several:
            return tf.TensorSpec([None, None], self.dtype)
        shape = list(self.spec.shape) if self.is_fixed else []
        return tf.TensorSpec([None, *(shape if shape != [1] else [])], self.dtype)

    @property
    def whole_spec(self) -> tf.TensorSpec:
        """The same with all dimensions, [rows, 1] for one value a row."""
        return tf.TensorSpec([None, *self.spec.shape], self.dtype) if self.is_fixed else self.dense_spec

    def from_dense(self, values: tf.Tensor) -> tf.Tensor | tf.SparseTensor | tf.RaggedTensor:
        """Returns what `tf.io.parse_example` would give for the same rows."""
        if self.is_fixed:
            return self.fill(tf.reshape(values, [-1, *self.spec.shape]))
        if not self.several:
            return _sparse_column(values)
        lengths = _row_lengths(values)
        kept = tf.sequence_mask(lengths, tf.shape(values)[1])
        if isinstance(self.spec, tf.io.VarLenFeature):
            shape = tf.stack([tf.shape(values, tf.int64)[0], tf.maximum(tf.reduce_max(lengths), 0)])
            return tf.SparseTensor(tf.where(kept), tf.boolean_mask(values, kept), shape)
        splits = self.spec.row_splits_dtype
        return tf.RaggedTensor.from_row_lengths(tf.boolean_mask(values, kept), tf.cast(lengths, splits))


def make_raw_features(specs: Mapping[str, Any], schema: schema_pb2.Schema) -> dict[str, RawFeature]:
    """Returns the features by name.

    Args:
        specs: what `tf.io.parse_example` takes.
        schema: says of how many values a row may have at most; where it does not, they may be any number.

    Raises:
        ModelPackageError: a feature is neither fixed, nor a list of values in each row.
    """
    typical = {feature.name: _read_typical(feature) for feature in schema.feature}
    single = {feature.name for feature in schema.feature if has_one_value(feature)}
    found = {}
    for name, spec in specs.items():
        nested = isinstance(spec, tf.io.RaggedFeature) and spec.partitions
        if nested or not isinstance(spec, tf.io.FixedLenFeature | tf.io.VarLenFeature | tf.io.RaggedFeature):
            raise ModelPackageError(
                f"the feature '{name}' is a {type(spec).__name__} of more than one list a row, which no signature can "
                f"take; flatten it in preprocessing_fn, or remove its tensor_representation from the schema"
            )
        several = isinstance(spec, tf.io.RaggedFeature) or (
            isinstance(spec, tf.io.VarLenFeature) and name not in single
        )
        found[name] = RawFeature(spec, several, typical.get(name) if _is_one_value(spec) else None)
    return found


def _read_typical(feature: schema_pb2.Feature) -> Any:
    tags = [tag.removeprefix(TYPICAL) for tag in feature.annotation.tag if tag.startswith(TYPICAL)]
    return json.loads(tags[0]) if tags else None


def _is_one_value(spec: Any) -> bool:
    return isinstance(spec, tf.io.FixedLenFeature) and list(spec.shape) in ([], [1])


def parse_raw(serialized: tf.Tensor, features: Mapping[str, RawFeature]) -> Tensors:
    """Returns the features of serialized tf.Examples, [rows], as preprocessing_fn takes them; NaN is missing."""
    parsed = parse_as_is(serialized, features, list_required(features))
    return {
        name: features[name].fill(value)
        if features[name].is_fixed
        else value
        if features[name].several
        else _without_nan(value)
        for name, value in parsed.items()
    }


def list_required(features: Mapping[str, RawFeature]) -> set[str]:
    """Returns the features for whose missing values nothing stands."""
    return {name for name, feature in features.items() if feature.typical is None}


def parse_as_is(
    serialized: tf.Tensor, features: Mapping[str, RawFeature], required: Container[str] | None = None
) -> Tensors:
    """Returns the same with NaN as it is: ingest leaves none, and devices, which read this graph, mark missing ones.

    `required`: the features without which a row is refused; others are typical or marked as missing. None: all that are
    fixed.
    """
    specs = {
        name: feature.spec if required is None or name in required else feature.spec_of_any_row
        for name, feature in features.items()
    }
    parsed: Tensors = tf.io.parse_example(serialized, specs)
    return parsed


def _without_nan(value: Any) -> Any:
    if isinstance(value, tf.SparseTensor) and value.dtype.is_floating:
        return tf.sparse.retain(value, tf.logical_not(tf.math.is_nan(value.values)))
    return value


def type_specs(features: Mapping[str, RawFeature]) -> dict[str, tf.TypeSpec]:
    """Returns what preprocessing_fn takes, by name."""
    return {name: feature.type_spec for name, feature in features.items()}


def to_dense(value: tf.Tensor | tf.SparseTensor | tf.RaggedTensor) -> tf.Tensor:
    """Returns the values as a tensor; rows with fewer are padded with the missing value."""
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.to_dense(value, tf.constant(MISSING_VALUES[value.dtype.name], value.dtype))
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor(tf.constant(MISSING_VALUES[value.dtype.name], value.dtype))
    return value


def dense_column(value: tf.Tensor | tf.SparseTensor | tf.RaggedTensor) -> tf.Tensor:
    """Returns a label or weight as a tensor; a sparse one has one value a row, [rows, 1], missing ones are marked."""
    if isinstance(value, tf.SparseTensor):
        shape = tf.stack([value.dense_shape[0], tf.constant(1, tf.int64)])
        return tf.ensure_shape(to_dense(tf.SparseTensor(value.indices, value.values, shape)), [None, 1])
    return to_dense(value)


def _sparse_column(values: tf.Tensor) -> tf.SparseTensor:
    rows = tf.where(is_present(values))
    positions = tf.concat([rows, tf.zeros_like(rows)], axis=1)
    shape = tf.stack([tf.shape(values, out_type=tf.int64)[0], tf.constant(1, tf.int64)])
    return tf.SparseTensor(positions, tf.gather_nd(values, rows), shape)


def _row_lengths(values: tf.Tensor) -> tf.Tensor:
    """Returns the number of values in each row, [rows] int64: only what is missing at its end is padding."""
    places = tf.range(1, tf.shape(values, tf.int64)[1] + 1)
    return tf.maximum(tf.reduce_max(tf.where(is_present(values), places, 0), axis=1), 0)
