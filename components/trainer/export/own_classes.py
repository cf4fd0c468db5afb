"""The class names of a label that the package itself turns from a string into a number."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.trainer.export.class_names import read_domain
from hilir.components.trainer.export.raw_features import dense_column


def find_own_classes(
    transform: tft.TFTransformOutput, labels: Collection[str], label_columns: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Returns the names of the classes by label, class 0 first, of a label that comes from one column of strings.

    Which number a string becomes is asked of the transform graph; the strings are those of the schema. Empty where the
    numbers are not 0, 1, … once each, or the label comes from elsewhere.
    """
    spec = transform.transformed_feature_spec()
    raw_spec = transform.raw_feature_spec()
    columns = [name for name in label_columns if name in raw_spec]
    if len(labels) != 1 or len(columns) != 1:
        return {}
    (label,), (column,) = labels, columns
    if spec[label].dtype != tf.int64:
        return {}
    names = read_domain(transform.raw_metadata.schema, column)
    if raw_spec[column].dtype != tf.string or not names:
        return {}
    # Missing columns are allowed: the layer leaves out what it cannot compute without them.
    found = transform.transform_features_layer()({column: _as_raw(names, raw_spec[column])})
    if label not in found:
        return {}
    numbers = dense_column(found[label]).numpy().reshape(-1).tolist()
    by_number = dict(zip(numbers, names, strict=True)) if len(numbers) == len(names) else {}
    if sorted(by_number) != list(range(len(names))):
        return {}
    return {label: tuple(by_number[number] for number in range(len(names)))}


def _as_raw(names: tuple[str, ...], spec: Any) -> tf.Tensor | tf.SparseTensor:
    values = tf.constant([[name] for name in names])
    if isinstance(spec, tf.io.FixedLenFeature):
        return tf.reshape(values, [-1, *spec.shape])
    return tf.sparse.from_dense(values)
