"""The rows of a preflight: the first ones, and those with the smallest and the largest label among many."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hilir.components.errors import PreflightError

ROWS = 48
SEARCHED = 10_000
"""Rows among which the smallest and the largest label are looked for: a label outside of its range is often rare."""


@dataclass(frozen=True)
class Sample:
    """Serialized examples: transformed ones of both splits, and raw ones of the evaluation split."""

    train: tuple[bytes, ...]
    evaluation: tuple[bytes, ...]
    raw: tuple[bytes, ...]


def read_sample(train: str, evaluation: str, raw: str, label: Mapping[str, Any]) -> Sample:
    """Returns the rows.

    Args:
        train: folder of the transformed examples to train with, gzipped TFRecords.
        evaluation: the same for those to evaluate with.
        raw: folder of the raw examples to evaluate with.
        label: the label's name and feature specification, as a mapping of one item.

    Raises:
        PreflightError: a split has no rows.
    """
    return Sample(
        _choose(_read("train", train, SEARCHED), label),
        _first(_read("eval", evaluation, ROWS)),
        _first(_read("eval", raw, ROWS)),
    )


def write_rows(path: str, rows: Sequence[bytes]) -> str:
    """Writes the rows as one gzipped TFRecord file; returns its path."""
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)) as writer:
        for row in rows:
            writer.write(row)
    return path


def _read(split: str, folder: str, count: int) -> tf.Tensor:
    """Returns the first rows, [rows] of strings."""
    files = sorted(tf.io.gfile.glob(os.path.join(folder, "*")))
    if files:
        for rows in tf.data.TFRecordDataset(files, "GZIP").batch(count).take(1):
            return rows
    raise PreflightError(
        f"the split '{split}' has no rows, so that nothing can be trained; "
        f"give it more data, or a larger share in data.splits"
    )


def _first(rows: tf.Tensor) -> tuple[bytes, ...]:
    return tuple(rows[:ROWS].numpy().tolist())


def _choose(rows: tf.Tensor, label: Mapping[str, Any]) -> tuple[bytes, ...]:
    """Returns the first rows, behind those with the largest and the smallest label; a label may have several values."""
    outermost: list[int] = []
    (spec,) = label.values()
    if isinstance(spec, tf.io.FixedLenFeature) and spec.dtype != tf.string:
        (values,) = tf.io.parse_example(rows, dict(label)).values()
        flat = tf.reshape(values, [tf.shape(rows)[0], -1])
        outermost = [int(tf.argmax(tf.reduce_max(flat, 1))), int(tf.argmin(tf.reduce_min(flat, 1)))]
    order = list(dict.fromkeys([*outermost, *range(min(len(rows), ROWS))]))
    return _first(tf.gather(rows, order))
