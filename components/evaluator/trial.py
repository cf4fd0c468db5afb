"""Computes metrics on rows in memory, without Beam: each batch an accumulator of its own, merged as bundles are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2

from hilir.components.cause import find_cause, find_user_folders
from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.metric_classes import CLASSES
from hilir.components.evaluator.settings import EvaluateSettings, Metric

Batches = Sequence[tuple[np.ndarray, np.ndarray | Mapping[str, np.ndarray]]]

_LABELS, _SCORES = np.array([[0], [1], [1], [0], [1]]), np.array([[0.2], [0.9], [0.4], [0.7], [0.6]], np.float32)
_CLASSES = np.array([[0], [2], [1], [1], [2]])
_BY_CLASS = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4]], np.float32)

SAMPLES: tuple[Batches, ...] = tuple(
    ((labels[:2], scores[:2]), (labels[2:], scores[2:]))
    for labels, scores in (
        (_LABELS, _SCORES),
        (_CLASSES, _BY_CLASS),
        (np.eye(3, dtype=np.float32)[_CLASSES[:, 0]], _BY_CLASS),
    )
)
"""Two batches each of scores, of classes as numbers, and of classes as one-hot rows."""


def compute(config: config_pb2.EvalConfig, batches: Batches) -> dict[str, float]:
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


def only(metric: Metric) -> config_pb2.EvalConfig:
    """Returns the configuration of this metric alone, for a model with one output."""
    settings = EvaluateSettings.model_construct(
        output=None, plots=False, metrics=[metric.model_copy(update={"output": None})], slices={}, thresholds=[]
    )
    return make_eval_config(settings, "label")


def reason(error: BaseException) -> str:
    """Returns the message of the first cause, without the inputs that TFMA appends to it."""
    while error.__cause__ is not None:
        error = error.__cause__
    if "in user code:" in str(error):
        return str(find_cause(error, find_user_folders()))
    # Keras prefaces a constructor's error with the whole configuration.
    text = str(error).rpartition("Exception encountered:")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _combine(computation: Any, batches: Batches) -> dict[Any, Any]:
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
