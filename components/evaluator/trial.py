"""Computes metrics on rows in memory, without Beam: each batch an accumulator of its own, merged as bundles are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2

from hilir.components.evaluator.metric_classes import CLASSES
from hilir.components.evaluator.settings import Metric

Scores = np.ndarray | Mapping[str, np.ndarray]


def compute(config: config_pb2.EvalConfig, batches: Sequence[tuple[np.ndarray, Scores]]) -> dict[str, float]:
    """Returns the value of each metric by name.

    Args:
        config: as `make_eval_config` returns it, without plots; for a model with one output, none is named.
        batches: labels, [rows, …], and scores, [rows, …] or by the name of the output.
    """
    values: dict[Any, Any] = {}
    computations = metric_specs.to_computations(list(config.metrics_specs), config)
    for computation in computations:
        if isinstance(computation, metric_types.MetricComputation):
            values |= _combine(computation, batches)
    for computation in computations:
        if isinstance(computation, metric_types.DerivedMetricComputation):
            values |= computation.result(values)
    return {key.name: float(np.asarray(value).item()) for key, value in values.items() if not key.name.startswith("_")}


def make_rows(metric: Metric) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns two batches of one row that a metric of the table can look at."""
    known = CLASSES[metric.metric]
    class_id = metric.class_id if isinstance(metric.class_id, int) else None
    if known.kind != "classes" and (class_id, metric.top_k, metric.k) == (None, None, None):
        return [(np.array([[label]]), np.array([[0.25 + label / 2]], np.float32)) for label in (0, 1)]
    k = max(metric.top_k or 0, metric.k or 0, metric.config.get("k", 0))
    number = metric.config.get("num_classes") or max(3, k + 1, (class_id or 0) + 1)
    scores = np.arange(1, number + 1, dtype=np.float32)[None] / np.float32(number * (number + 1) / 2)
    labels = [np.array([[0]]), np.array([[number - 1]])]
    if known.kind == "classes" and not metric.metric.startswith("Sparse"):
        labels = [np.eye(number, dtype=np.float32)[label[0]] for label in labels]
    return [(label, scores) for label in labels]


def _combine(computation: Any, batches: Sequence[tuple[np.ndarray, Scores]]) -> dict[Any, Any]:
    combiner = computation.combiner
    combiner.setup()
    (preprocessor,) = computation.preprocessors or [metric_types.StandardMetricInputsPreprocessor()]
    accumulators = []
    for labels, scores in batches:
        accumulator = combiner.create_accumulator()
        for row, label in enumerate(labels):
            found = {name: each[row] for name, each in scores.items()} if isinstance(scores, Mapping) else scores[row]
            for inputs in preprocessor.process({"labels": label, "predictions": found, "features": {}}):
                accumulator = combiner.add_input(accumulator, metric_types.StandardMetricInputs(inputs))
        accumulators.append(combiner.compact(accumulator))
    merged: dict[Any, Any] = combiner.extract_output(combiner.merge_accumulators(tuple(accumulators)))
    return merged
