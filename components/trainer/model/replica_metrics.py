"""Metrics of batches that several replicas share: only real rows count, and the replicas' figures become one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.trainer.model.own_steps import replaced

_STEPS = ("train_step", "test_step", "compute_metrics", "get_metrics_result")


def weigh_metrics(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of `compile` with all metrics among the weighted ones: the weights mark the padding.

    Raises:
        TrainingError: `metrics` and `weighted_metrics` are of different forms.
    """
    given, weighted = arguments["metrics"], arguments["weighted_metrics"]
    return arguments | {
        "metrics": None,
        "weighted_metrics": _join(given, weighted) if given and weighted else given or weighted,
    }


def count_real_rows(model: keras.Model) -> None:
    """Makes the metrics count each real row once, whatever weight it has in the loss."""
    compute = model.compute_metrics

    def compute_metrics(x: Any, y: Any, y_pred: Any, sample_weight: tf.Tensor | None) -> dict[str, tf.Tensor]:
        real = None if sample_weight is None else tf.cast(sample_weight > 0, tf.float32)
        figures: dict[str, tf.Tensor] = compute(x, y, y_pred, real)
        return figures

    model.compute_metrics = compute_metrics


def combine_metrics_last(model: keras.Model) -> None:
    """Has the replicas bring their metrics together at the end of an epoch or an evaluation, not at each step.

    Keras has each step return every metric's result, for which workers send each other all variables of all metrics,
    and then the sum of these results over the workers, which is none. Nobody reads either: at the end `fit` and
    `evaluate` ask the metrics again. A model with a step of its own keeps what its step asks for; what the step returns
    next to the metrics is the mean over the workers, so that all of them decide alike, say when to stop.
    """
    combined = model.get_metrics_result
    mean = _make_mean(model.distribute_strategy)

    def finish(logs: dict[str, Any]) -> dict[str, Any]:
        figures = {name: float(value) for name, value in combined().items()}
        others = {name: tf.cast(value, tf.float32) for name, value in logs.items() if name not in figures}
        return figures | mean(others)

    model._validate_and_get_metrics_result = finish
    # What a step returns is that of the worker's first replica: the sum, which is the default, is of no use.
    model.distribute_reduction_method = "first"
    if replaced(model, *_STEPS):
        return

    def get_metrics_result() -> dict[str, tf.Tensor]:
        figures: dict[str, tf.Tensor] = combined() if tf.distribute.in_cross_replica_context() else {}
        return figures

    model.get_metrics_result = get_metrics_result


def _join(given: Any, weighted: Any) -> Any:
    if isinstance(given, dict) and isinstance(weighted, dict):
        return {name: _listed(given.get(name)) + _listed(weighted.get(name)) for name in {**given, **weighted}}
    if isinstance(given, dict) or isinstance(weighted, dict):
        raise TrainingError(
            "the model is compiled with metrics and weighted_metrics, of which one is a dictionary by outputs and the "
            "other is not; give both the same form, or all of them as weighted_metrics"
        )
    given, weighted = _listed(given), _listed(weighted)
    if any(isinstance(each, list | tuple) for each in (*given, *weighted)):
        return [_listed(one) + _listed(other) for one, other in zip(given, weighted, strict=True)]
    return given + weighted


def _listed(metrics: Any) -> list[Any]:
    if metrics is None:
        return []
    return list(metrics) if isinstance(metrics, list | tuple) else [metrics]


def _make_mean(strategy: tf.distribute.Strategy) -> Callable[[dict[str, tf.Tensor]], dict[str, float]]:
    """Returns the function from the figures that each worker has to their means over the workers."""

    def reduce(values: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        replica = tf.distribute.get_replica_context()
        # What a function is given has no device; its copy here has the replica's, which all_reduce asks for.
        return {name: replica.all_reduce("MEAN", tf.identity(values[name])) for name in sorted(values)}

    run = tf.function(lambda values: strategy.run(reduce, args=(values,)))

    def mean(figures: dict[str, tf.Tensor]) -> dict[str, float]:
        means = run(figures) if figures else {}
        return {name: float(strategy.experimental_local_results(value)[0]) for name, value in means.items()}

    return mean
