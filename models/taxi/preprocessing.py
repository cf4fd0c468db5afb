"""From raw columns to the features of the model, for TensorFlow Transform."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_transform as tft

from models.taxi import features


def preprocessing_fn(inputs: dict[str, tf.Tensor | tf.SparseTensor]) -> dict[str, tf.Tensor]:
    """Returns the transformed features and the label, each of shape [rows, 1].

    Numeric features are float32, categorical ones int64 indices below `features.SIZES`, the label is int64.
    """
    outputs = {}
    for name in features.NUMERIC:
        standardised = tft.scale_to_z_score(_as_float(inputs[name]))
        outputs[name] = _dense(standardised, 0.0)
    for name, size in features.BUCKETS.items():
        buckets = tft.bucketize(inputs[name], size)
        outputs[name] = _dense(buckets, size)
    for name, size in features.VOCABULARIES.items():
        indices = tft.compute_and_apply_vocabulary(inputs[name], top_k=size - 1, num_oov_buckets=1, vocab_filename=name)
        outputs[name] = _dense(indices, size)
    for name, size in features.CATEGORIES.items():
        outputs[name] = tf.clip_by_value(_dense(inputs[name], size), 0, size)
    outputs[features.LABEL] = _label(_dense(inputs["tips"], 0.0), _dense(inputs["fare"], 0.0))
    return outputs


def _as_float(values: tf.Tensor | tf.SparseTensor) -> tf.Tensor | tf.SparseTensor:
    return tf.cast(values, tf.float32)


def _dense(values: tf.Tensor | tf.SparseTensor, missing: float) -> tf.Tensor:
    """Returns the values with shape [rows, 1], `missing` where a row has none."""
    if isinstance(values, tf.SparseTensor):
        width_one = tf.SparseTensor(values.indices, values.values, [values.dense_shape[0], 1])
        values = tf.sparse.to_dense(width_one, default_value=tf.cast(missing, values.dtype))
    return tf.reshape(values, [-1, 1])


def _label(tips: tf.Tensor, fare: tf.Tensor) -> tf.Tensor:
    return tf.cast(tips > fare * features.TIP_SHARE, tf.int64)
