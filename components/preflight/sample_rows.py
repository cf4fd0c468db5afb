"""The rows of a preflight: the first ones, and those with the smallest and the largest label among many."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.errors import PreflightError
from hilir.components.examples import name_split
from hilir.components.trainer.data.parsing import make_keep
from hilir.components.trainer.export.raw_features import dense_column
from hilir.components.trainer.model_package import ModelPackage

ROWS = 48
SEARCHED = 10_000
"""Rows among which the smallest and the largest label are looked for: a label outside of its range is often rare."""


@dataclass(frozen=True)
class Sample:
    """Serialized examples: transformed ones of both splits, and raw ones of the evaluation split."""

    train: tuple[bytes, ...]
    evaluation: tuple[bytes, ...]
    raw: tuple[bytes, ...]


def read_sample(
    train: str, evaluation: str, raw: str, package: ModelPackage, transform: tft.TFTransformOutput
) -> Sample:
    """Returns the rows; the transformed ones are those that have a label.

    Args:
        train: folder of the transformed examples to train with, gzipped TFRecords.
        evaluation: the same for those to evaluate with.
        raw: folder of the raw examples to evaluate with.
        package: which features are labels.
        transform: the transform graph.

    Raises:
        PreflightError: a split has no rows, or none with a label.
    """
    return Sample(
        _choose(_labelled(train, package, transform), package, transform),
        _first(_labelled(evaluation, package, transform)),
        _first(_read(raw, ROWS)),
    )


def write_rows(path: str, rows: Sequence[bytes]) -> str:
    """Writes the rows as one gzipped TFRecord file; returns its path."""
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)) as writer:
        for row in rows:
            writer.write(row)
    return path


def _read(folder: str, count: int) -> tf.Tensor:
    """Returns the first rows, [rows] of strings."""
    files = sorted(tf.io.gfile.glob(os.path.join(folder, "*")))
    if files:
        for rows in tf.data.TFRecordDataset(files, "GZIP").batch(count).take(1):
            return rows
    raise PreflightError(
        f"the split '{name_split(folder, folder)}' has no rows, so that nothing can be trained; "
        f"give it more data, or a larger share in data.splits"
    )


def _labelled(folder: str, package: ModelPackage, transform: tft.TFTransformOutput) -> tf.Tensor:
    """Returns those of the first rows that have all labels."""
    rows = _read(folder, SEARCHED)
    found = tf.boolean_mask(rows, make_keep(transform.transformed_feature_spec(), package)(rows))
    if not len(found):
        raise PreflightError(
            f"none of the first {len(rows):,} rows of the split '{name_split(folder, folder)}' has a label "
            f"({', '.join(package.labels)}), so that nothing can be trained; give it rows with a label"
        )
    return found


def _first(rows: tf.Tensor) -> tuple[bytes, ...]:
    return tuple(rows[:ROWS].numpy().tolist())


def _choose(rows: tf.Tensor, package: ModelPackage, transform: tft.TFTransformOutput) -> tuple[bytes, ...]:
    """Returns the first rows, behind those with the largest and the smallest label; a label may have several values."""
    spec = transform.transformed_feature_spec()
    outermost: list[int] = []
    for value in tf.io.parse_example(rows, {name: spec[name] for name in package.labels}).values():
        if value.dtype != tf.string:
            flat = tf.reshape(dense_column(value), [tf.shape(rows)[0], -1])
            outermost += [int(tf.argmax(tf.reduce_max(flat, 1))), int(tf.argmin(tf.reduce_min(flat, 1)))]
    order = list(dict.fromkeys([*outermost, *range(min(len(rows), ROWS))]))
    return _first(tf.gather(rows, order))
