"""Computes each batch in parts, so that a batch larger than the memory can be trained with."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras


def accumulate_gradients(model: keras.Model, parts: int) -> None:
    """Replaces the model's training step by one that sums the gradients over parts of the batch.

    A batch with fewer rows than parts has as many parts as rows. The sum weighs each part by its rows, so the step is
    the same as with the whole batch at once (apart from layers that look at the whole batch, such as batch
    normalisation); the optimizer's step count is too.
    """

    def train_step(data: Any) -> dict[str, tf.Tensor]:
        rows = tf.shape(tf.nest.flatten(data)[0])[0]
        total: list[tf.Tensor] | None = None
        known = tf.nest.flatten(data)[0].shape[0]
        # Only a last batch can be so small, and with several replicas it is padded: a condition around what replicas
        # do together would not do.
        full = known is not None and known >= parts
        for part in range(parts):
            # Rounded up, so that the first part has a row.
            begin, end = (-(-rows * number // parts) for number in (part, part + 1))

            def gradients(begin: tf.Tensor = begin, end: tf.Tensor = end) -> list[tf.Tensor]:
                piece = tf.nest.map_structure(lambda tensor: tensor[begin:end], data)
                share = tf.cast(end - begin, tf.float32) / tf.cast(rows, tf.float32)
                return [gradient * tf.cast(share, gradient.dtype) for gradient in _gradients(model, piece)]

            # Layers that keep statistics of their batches would take those of no rows.
            found = gradients() if full or part == 0 else tf.cond(end > begin, gradients, nothing)
            total = found if total is None else [a + b for a, b in zip(total, found, strict=True)]
        model.optimizer.apply_gradients(zip(total or [], model.trainable_variables, strict=True))
        figures: dict[str, tf.Tensor] = model.get_metrics_result()
        return figures

    def nothing() -> list[tf.Tensor]:
        return [tf.zeros_like(variable) for variable in model.trainable_variables]

    model.train_step = train_step


def _gradients(model: keras.Model, data: Any) -> list[tf.Tensor]:
    """Returns the gradients of the trainable variables, and updates the metrics."""
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
    model.compute_metrics(x, y, predicted, weight)
    return dense
