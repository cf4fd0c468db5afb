"""How many indices the categorical features have that preprocessing_fn makes from strings."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.trainer.export.raw_features import to_dense

_UNKNOWN = 256
"""So many strings that are in no vocabulary reach every out-of-vocabulary bucket of the usual numbers of them."""


def find_vocabulary_sizes(transform: tft.TFTransformOutput) -> dict[str, int]:
    """Returns by transformed feature one more than its highest index; of whole numbers that depend on strings.

    TensorFlow Transform notes the size for a tensor that `preprocessing_fn` returns as the vocabulary gave it, and
    loses it where that was made dense. So the transform graph is asked: with every entry of every vocabulary, with
    strings that are in none, and with rows without a value.
    """
    spec = transform.raw_feature_spec()
    texts = [*_read_vocabularies(transform), *(f"\x00unknown {number}".encode() for number in range(_UNKNOWN))]
    if len(texts) == _UNKNOWN or not any(each.dtype == tf.string for each in spec.values()):
        return {}
    rows = len(texts) + 1
    found = transform.transform_features_layer()({name: _probe(each, texts, rows) for name, each in spec.items()})
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


def _probe(spec: Any, texts: list[bytes], rows: int) -> Any:
    """Returns a column in which strings take all of the values, and nothing else changes from row to row."""
    is_text = spec.dtype == tf.string
    if isinstance(spec, tf.io.FixedLenFeature):
        shape = [rows, *spec.shape]
        values = tf.constant([*texts, b""]) if is_text else tf.zeros([rows], spec.dtype)
        return tf.broadcast_to(tf.reshape(values, [rows, *[1] * len(spec.shape)]), shape)
    # The last row has no string.
    count = rows - 1 if is_text else rows
    values = tf.constant(texts) if is_text else tf.zeros([rows], spec.dtype)
    if isinstance(spec, tf.io.VarLenFeature):
        places = tf.stack([tf.range(count, dtype=tf.int64), tf.zeros([count], tf.int64)], axis=1)
        return tf.SparseTensor(places, values, [rows, 1])
    lengths = tf.constant([1] * count + [0] * (rows - count), spec.row_splits_dtype)
    return tf.RaggedTensor.from_row_lengths(values, lengths)
