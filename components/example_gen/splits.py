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


def split_of(example: bytes, bounds: Sequence[int]) -> int:
    """Returns the index of the split that the example belongs to.

    It depends on the example's content alone, so that equal rows stay together and a row stays where it was when
    the data grows: sha256 of the serialized example modulo the sum of the shares, as TFX's own ExampleGen does.

    Args:
        example: a serialized tf.Example.
        bounds: the running sums of the splits' shares; [2, 3] for 2:1.
    """
    return bisect(bounds, int.from_bytes(hashlib.sha256(example).digest(), "big") % bounds[-1])


def write_splits(examples: Iterable[bytes], shares: Mapping[str, int], folders: Mapping[str, str]) -> dict[str, int]:
    """Writes each example to the folder of its split as gzipped TFRecords; returns the rows per split."""
    names = list(shares)
    bounds = [sum(list(shares.values())[: index + 1]) for index in range(len(names))]
    counts = dict.fromkeys(names, 0)
    with ExitStack() as stack:
        writers = [stack.enter_context(_writer(folders[name])) for name in names]
        for example in examples:
            index = split_of(example, bounds)
            writers[index].write(example)
            counts[names[index]] += 1
    return counts


def write_split(examples: Iterable[bytes], folder: str) -> int:
    """Writes all examples to one folder as gzipped TFRecords; returns the rows."""
    return write_splits(examples, {"all": 1}, {"all": folder})["all"]


def _writer(folder: str) -> tf.io.TFRecordWriter:
    tf.io.gfile.makedirs(folder)
    return tf.io.TFRecordWriter(os.path.join(folder, _FILE), _OPTIONS)
