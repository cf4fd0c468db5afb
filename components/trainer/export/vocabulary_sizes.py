"""How many indices the categorical features have that preprocessing_fn makes from strings."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.trainer.export.raw_features import RawFeature, make_raw_features, to_dense

_UNKNOWN = 256
"""So many strings that are in no vocabulary reach every out-of-vocabulary bucket of the usual numbers of them."""


def find_vocabulary_sizes(transform: tft.TFTransformOutput) -> dict[str, int]:
    """Returns by transformed feature one more than its highest index; of whole numbers that depend on strings.

    TensorFlow Transform notes the size for a tensor that `preprocessing_fn` returns as the vocabulary gave it, and
    loses it where that was made dense. So the transform graph is asked: with every entry of every vocabulary, with
    strings that are in none, and with rows without a value.
    """
    raw = make_raw_features(transform.raw_feature_spec(), transform.raw_metadata.schema)
    columns = {name for name, each in raw.items() if each.dtype == tf.string}
    texts = _read_vocabularies(transform)
    if not texts or not columns:
        return {}
    texts += [f"\x00unknown {number}".encode() for number in range(_UNKNOWN)]
    try:
        return _measure(transform, raw, texts, columns)
    except tf.errors.OpError:
        # Text that is not looked up, such as a date, may not be any string.
        sizes: dict[str, int] = {}
        for column in sorted(columns):
            with contextlib.suppress(tf.errors.OpError):
                for name, size in _measure(transform, raw, texts, {column}).items():
                    sizes[name] = max(size, sizes.get(name, 0))
        return sizes


def _measure(
    transform: tft.TFTransformOutput, raw: Mapping[str, RawFeature], texts: list[bytes], varied: Collection[str]
) -> dict[str, int]:
    """Returns the sizes that show when some of the columns take all of the texts, one a row, and then none."""
    rows = len(texts) + 1
    found = transform.transform_features_layer()(
        {name: _vary(each, texts) if name in varied else _repeat(each, rows) for name, each in raw.items()}
    )
    sizes: dict[str, int] = {}
    for name, value in found.items():
        if value.dtype.is_integer:
            indices = to_dense(value).numpy()
            highest = int(indices.max())
            # What is alike in all rows does not depend on strings.
            if highest > int(indices.min()):
                sizes[name] = highest + 1
    return sizes


def _read_vocabularies(transform: tft.TFTransformOutput) -> list[bytes]:
    folder = os.path.join(transform.transform_savedmodel_dir, "assets")
    entries: set[bytes] = set()
    for name in tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []:
        entries.update(transform.vocabulary_by_name(name))
    return sorted(entries)


def _vary(feature: RawFeature, texts: list[bytes]) -> Any:
    """Returns a column of strings that takes all of the values, and has none in the last row."""
    rows = len(texts) + 1
    if feature.is_fixed:
        return _broadcast(feature, tf.constant([*texts, b""]), rows)
    return _column(feature, tf.constant(texts), rows)


def _repeat(feature: RawFeature, rows: int) -> Any:
    """Returns a column that is alike in all rows: with its typical value, or zeros, or no strings."""
    typical = feature.typical if feature.typical is not None else b"" if feature.dtype == tf.string else 0
    values = tf.fill([rows], tf.constant(typical, feature.dtype))
    if feature.is_fixed:
        return _broadcast(feature, values, rows)
    return _column(feature, values[:0] if feature.dtype == tf.string else values, rows)


def _broadcast(feature: RawFeature, values: tf.Tensor, rows: int) -> tf.Tensor:
    shape = feature.spec.shape
    return tf.broadcast_to(tf.reshape(values, [rows, *[1] * len(shape)]), [rows, *shape])


def _column(feature: RawFeature, values: tf.Tensor, rows: int) -> tf.SparseTensor | tf.RaggedTensor:
    """Returns a column with one value in each of the first rows."""
    count = len(values)
    if isinstance(feature.spec, tf.io.VarLenFeature):
        places = tf.stack([tf.range(count, dtype=tf.int64), tf.zeros([count], tf.int64)], axis=1)
        return tf.SparseTensor(places, values, [rows, 1])
    lengths = tf.constant([1] * count + [0] * (rows - count), feature.spec.row_splits_dtype)
    return tf.RaggedTensor.from_row_lengths(values, lengths)
