"""Computes each batch in parts, so that a batch larger than the memory can be trained with."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras


def accumulate_gradients(model: keras.Model, parts: int) -> None:
    """Replaces the model's training step by one that sums the gradients over parts of the batch.

    The sum weighs each part by its rows, so the step is the same as with the whole batch at once (apart from layers
    that look at the whole batch, such as batch normalisation); the optimizer's step count is too.
    """

    def train_step(data: Any) -> dict[str, tf.Tensor]:
        rows = tf.shape(tf.nest.flatten(data)[0])[0]
        total: list[tf.Tensor] | None = None
        figures: dict[str, tf.Tensor] = {}
        for part in range(parts):
            begin, end = rows * part // parts, rows * (part + 1) // parts
            piece = tf.nest.map_structure(lambda tensor, b=begin, e=end: tensor[b:e], data)
            gradients, figures = _gradients(model, piece)
            share = tf.cast(end - begin, tf.float32) / tf.cast(rows, tf.float32)
            scaled = [tf.math.multiply_no_nan(gradient, tf.cast(share, gradient.dtype)) for gradient in gradients]
            total = scaled if total is None else [a + b for a, b in zip(total, scaled, strict=True)]
        model.optimizer.apply_gradients(zip(total or [], model.trainable_variables, strict=True))
        return figures

    model.train_step = train_step


def _gradients(model: keras.Model, data: Any) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
    """Returns the gradients of the trainable variables, and the metrics so far."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    optimizer = model.optimizer
    scales = isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)
    with tf.GradientTape() as tape:
        predicted = model(x, training=True)
        loss = model.compute_loss(x, y, predicted, weight)
        objective = optimizer.get_scaled_loss(loss) if scales else loss
    found = tape.gradient(objective, model.trainable_variables)
    dense = [
        tf.zeros_like(variable) if gradient is None else tf.convert_to_tensor(gradient)
        for gradient, variable in zip(found, model.trainable_variables, strict=True)
    ]
    if scales:
        dense = optimizer.get_unscaled_gradients(dense)
    return dense, model.compute_metrics(x, y, predicted, weight)
