"""Compiles the user's model anew with what the configuration says of the optimizer and the training step."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from components.trainer.accumulation import accumulate_gradients
from components.trainer.learning_rate import make_schedule, scale_rate
from components.trainer.settings import TrainSettings

_LossScaled = keras.mixed_precision.LossScaleOptimizer


def compile_arguments(model: keras.Model) -> dict[str, Any]:
    """Returns the arguments with which the model was compiled, as they were given."""
    return dict(model._compile_config.config)


def recompile(
    model: keras.Model, arguments: dict[str, Any], settings: TrainSettings, factor: float, *, weighted: bool
) -> None:
    """Compiles the model, whose optimizer is built anew; call it inside the strategy's scope.

    Args:
        model: the network to train.
        arguments: what the user's package compiled it with.
        settings: the configuration.
        factor: what the learning rate is multiplied by.
        weighted: whether the batches carry weights that say which rows are padding.
    """
    arguments = arguments | {
        "optimizer": make_optimizer(arguments["optimizer"], settings, factor),
        "jit_compile": settings.jit_compile or arguments["jit_compile"],
        "steps_per_execution": settings.steps_per_execution,
    }
    if weighted and arguments["weighted_metrics"] is None:
        arguments |= {"metrics": None, "weighted_metrics": arguments["metrics"]}
    model.compile(**arguments)
    if weighted:
        _count_real_rows(model)
        _combine_metrics_last(model)
    if settings.gradient_accumulation > 1:
        accumulate_gradients(model, settings.gradient_accumulation)


def make_optimizer(given: Any, settings: TrainSettings, factor: float) -> keras.optimizers.Optimizer:
    """Returns a new optimizer like the given one, with the configuration's learning rate and clipping.

    Keras wraps it for loss scaling by itself where the precision is mixed_float16.
    """
    optimizer = keras.optimizers.get(given)
    if isinstance(optimizer, _LossScaled):
        optimizer = optimizer.inner_optimizer
    config = optimizer.get_config()
    rate: Any = config["learning_rate"]
    if settings.learning_rate is not None:
        rate = make_schedule(settings.learning_rate)
    elif isinstance(rate, dict):
        # A schedule of the user's own, which the configuration holds in its serialized form.
        rate = keras.optimizers.schedules.deserialize(rate)
    config["learning_rate"] = scale_rate(rate, factor)
    if settings.gradient_clipping is not None:
        clip = settings.gradient_clipping
        config |= {"clipnorm": clip.norm, "clipvalue": clip.value, "global_clipnorm": clip.global_norm}
    return type(optimizer).from_config(config)


def _count_real_rows(model: keras.Model) -> None:
    """Makes the metrics count each real row once, whatever weight it has in the loss."""
    compute = model.compute_metrics

    def compute_metrics(x: Any, y: Any, y_pred: Any, sample_weight: tf.Tensor | None) -> dict[str, tf.Tensor]:
        real = None if sample_weight is None else tf.cast(sample_weight > 0, tf.float32)
        figures: dict[str, tf.Tensor] = compute(x, y, y_pred, real)
        return figures

    model.compute_metrics = compute_metrics


def _combine_metrics_last(model: keras.Model) -> None:
    """Has the replicas bring their metrics together at the end of an epoch or an evaluation, not at each step.

    Keras has each step return every metric's result, for which workers send each other all variables of all metrics,
    and then the sum of these results over the workers, which is none. Nobody reads either: at the end, `fit` and
    `evaluate` ask the metrics again, outside of the replicas.
    """
    combined = model.get_metrics_result

    def get_metrics_result() -> dict[str, tf.Tensor]:
        if tf.distribute.in_cross_replica_context() or not tf.distribute.has_strategy():
            figures: dict[str, tf.Tensor] = combined()
            return figures
        figures = {}
        for metric in model.metrics:
            # Without the wrapping of the instance's own `result`, which combines the replicas' variables.
            result = tf.__internal__.autograph.tf_convert(
                type(metric).result, tf.__internal__.autograph.control_status_ctx()
            )(metric)
            figures.update(result if isinstance(result, dict) else {metric.name: result})
        return figures

    model.get_metrics_result = get_metrics_result
    model.distribute_reduction_method = "first"
