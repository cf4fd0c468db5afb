"""From raw pixels to the features of the model, for TensorFlow Transform."""

from __future__ import annotations

import tensorflow as tf

from models.digits import features


def preprocessing_fn(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the image with pixels from 0 to 1, [rows, 8, 8] float32, and the label, [rows, 1] int64."""
    return {
        features.IMAGE: tf.cast(inputs[features.IMAGE], tf.float32) / features.BRIGHTEST,
        features.LABEL: tf.reshape(tf.cast(inputs[features.LABEL], tf.int64), [-1, 1]),
    }
