"""The one input pipeline of all training: transformed examples from TFRecords to batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def read_records(patterns: Sequence[str]) -> tf.data.Dataset:
    """Returns the serialized examples of all files, in one fixed order."""
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    return tf.data.TFRecordDataset(files, compression_type="GZIP")


def count_records(patterns: Sequence[str]) -> int:
    """Returns the number of examples."""
    return int(read_records(patterns).reduce(tf.constant(0, tf.int64), lambda count, _: count + 1))


def make_batches(records: tf.data.Dataset, feature_spec: dict[str, Any], label: str, batch_size: int) -> tf.data.Dataset:
    """Returns batches of (features by name, label) from serialized examples.

    Whole batches are parsed at once, which is several times faster than row by row. The last batch may be smaller.
    """

    def parse(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        parsed = tf.io.parse_example(serialized, feature_spec)
        return {name: parsed[name] for name in parsed if name != label}, parsed[label]

    return records.batch(batch_size).map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def shuffle_records(records: tf.data.Dataset, buffer: int, seed: int) -> tf.data.Dataset:
    """Keeps the serialized examples in memory and gives them in a new order each epoch, the same for the same seed."""
    return records.cache().shuffle(buffer, seed=seed, reshuffle_each_iteration=True)
