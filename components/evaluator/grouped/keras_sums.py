"""Keras' metrics, whose weights are sums over batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tf_keras as keras
from tensorflow_model_analysis.metrics import tf_metric_accumulators

from hilir.components.evaluator.grouped.columns import Batch, Columns, Request, make_one_hot

Weights = list[np.ndarray]

_KNOWN = ("tf_keras", "hilir")


class KerasMetrics:
    """For TFMA's `_CompilableMetricsCombiner`: the weights of each metric, by output.

    A metric that is a mean of values of rows is computed once for all rows of a batch, and added up by slice; another
    one gets the rows of each slice.
    """

    def __init__(self, combiner: Any) -> None:
        self._combiner = combiner
        part = None if combiner._sub_key_in_config else combiner._sub_key
        self._requests = [
            Request(combiner._model_name, output, part, weighted=combiner._example_weighted, flat=False)
            for output in combiner._output_names
        ]

    def summarize(self, batch: Batch, slices: Sequence[np.ndarray]) -> list[list[list[Weights]]]:
        """Returns the weights of each slice by output and metric."""
        self._combiner.setup()
        found: list[list[list[Weights]]] = [[] for _ in slices]
        for request in self._requests:
            columns = batch.read(request)
            if self._combiner._sub_key_in_config:
                one_hot = make_one_hot(columns.labels, columns.scores)
                columns = Columns(one_hot, columns.scores, columns.weights, columns.rows)
            by_metric = [_add_up(metric, columns, slices) for metric in self._metrics(request.output)]
            for number, weights in enumerate(found):
                weights.append([by_slice[number] for by_slice in by_metric])
        return found

    def _metrics(self, output: str) -> list[Any]:
        metrics: list[Any] = self._combiner._metrics[output]
        return metrics

    def merge(self, parts: Sequence[list[list[Weights]]]) -> list[list[Weights]]:
        """Returns the sums of the weights."""
        return [[_sum(weights) for weights in zip(*metrics, strict=True)] for metrics in zip(*parts, strict=True)]

    def extract(self, accumulator: list[list[Weights]]) -> dict[Any, Any]:
        """Returns what the metrics make of their weights."""
        self._combiner.setup()
        native: tf_metric_accumulators.TFCompilableMetricsAccumulator = self._combiner.create_accumulator()
        for output, metrics in enumerate(accumulator):
            for number, weights in enumerate(metrics):
                native.add_weights(output, number, weights)
        found: dict[Any, Any] = self._combiner.extract_output(native)
        return found


def _sum(parts: Sequence[Weights]) -> Weights:
    return [np.sum(each, axis=0) for each in zip(*parts, strict=True)]


def _add_up(metric: Any, columns: Columns, slices: Sequence[np.ndarray]) -> list[Weights]:
    """Returns the metric's weights for each slice."""
    values = _compute_values(metric, columns)
    if values is None:
        return [_update(metric, columns, rows) for rows in slices]
    terms = np.stack([values * columns.weights, columns.weights])
    return [list(terms[:, rows].sum(axis=1)) for rows in slices]


class _Keep(keras.metrics.Mean):
    """Keeps what it is to add up."""

    values: np.ndarray | None = None

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        self.values = None if sample_weight is not None else np.asarray(values, np.float64)


class _Values(keras.metrics.MeanMetricWrapper, _Keep):
    """A mean of values of rows, which keeps the values: MeanMetricWrapper hands them to the class that is next here."""


def _compute_values(metric: Any, columns: Columns) -> np.ndarray | None:
    """Returns the metric's value of each row, None where it is not a weighted mean of those."""
    plain = (
        isinstance(metric, keras.metrics.MeanMetricWrapper)
        and type(metric).update_state is keras.metrics.MeanMetricWrapper.update_state
        # Functions of the user's may look at all rows of a batch, and so may Keras' own along another axis.
        and type(metric).__module__.partition(".")[0] in _KNOWN
        and metric._fn_kwargs.get("axis", -1) == -1
    )
    if not plain:
        return None
    values = _Values(metric._fn, dtype=metric.dtype, **metric._fn_kwargs)
    values.update_state(columns.labels, columns.scores)
    found = values.values
    return found if found is not None and found.shape == (len(columns.labels),) else None


def _update(metric: Any, columns: Columns, rows: np.ndarray) -> Weights:
    """Returns the metric's weights after the rows, as TFMA gives them to it."""
    metric.reset_states()
    metric.update_state(columns.labels[rows], columns.scores[rows], columns.weights[rows, None])
    weights: Weights = metric.get_weights()
    return weights
