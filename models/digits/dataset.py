"""Writes scikit-learn's handwritten digits as TFRecords of tf.Examples."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from sklearn.datasets import load_digits

from models.digits import features


def write_dataset(folder: str) -> None:
    """Writes the 1,797 images to `folder`/digits.tfrecord.

    Each example has `image`, 64 floats from 0 to 16 row by row, and `label`, the digit.
    """
    digits = load_digits()
    with tf.io.TFRecordWriter(str(Path(folder) / "digits.tfrecord")) as writer:
        for image, label in zip(digits.images, digits.target, strict=True):
            writer.write(_example(image.reshape(-1).tolist(), int(label)).SerializeToString(deterministic=True))


def _example(pixels: list[float], label: int) -> tf.train.Example:
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                features.IMAGE: tf.train.Feature(float_list=tf.train.FloatList(value=pixels)),
                features.LABEL: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
        )
    )
