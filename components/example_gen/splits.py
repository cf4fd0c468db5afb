"""Distributes examples over splits and writes them."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack

import tensorflow as tf

# The fastest level: the files are read a few times and never leave the pipeline's folder.
_OPTIONS = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
_FILE = "data_tfrecord-00000-of-00001.gz"


def split_of(key: bytes, bounds: Sequence[int]) -> int:
    """Returns the index of the split that a row belongs to.

    It depends on the row's content alone, so that equal rows stay together and a row stays where it was when the data
    grows: sha256 of the key modulo the sum of the shares, as TFX's own ExampleGen does with the serialized example.

    Args:
        key: what stands for the row's content.
        bounds: the running sums of the splits' shares; [2, 3] for 2:1.
    """
    return bisect(bounds, int.from_bytes(hashlib.sha256(key).digest(), "big") % bounds[-1])


def write_splits(
    rows: Iterable[tuple[bytes, bytes]], shares: Mapping[str, int], folders: Mapping[str, str]
) -> dict[str, int]:
    """Writes each row (key and serialized tf.Example) to its split's folder as gzipped TFRecords; returns counts."""
    names = list(shares)
    bounds = [sum(list(shares.values())[: index + 1]) for index in range(len(names))]
    counts = dict.fromkeys(names, 0)
    with ExitStack() as stack:
        writers = [stack.enter_context(_writer(folders[name])) for name in names]
        for key, example in rows:
            index = split_of(key, bounds)
            writers[index].write(example)
            counts[names[index]] += 1
    return counts


def write_split(rows: Iterable[tuple[bytes, bytes]], folder: str) -> int:
    """Writes all rows to one folder as gzipped TFRecords; returns their number."""
    return write_splits(rows, {"all": 1}, {"all": folder})["all"]


def _writer(folder: str) -> tf.io.TFRecordWriter:
    tf.io.gfile.makedirs(folder)
    return tf.io.TFRecordWriter(os.path.join(folder, _FILE), _OPTIONS)
