"""TFMA's metrics over batches in memory: each batch an accumulator of its own, merged as Beam merges bundles."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow_model_analysis.metrics import metric_specs, metric_types

from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.evaluator.settings import EvaluateSettings


def evaluate(
    metrics: list[dict[str, Any]], batches: list[tuple[np.ndarray, np.ndarray | dict[str, np.ndarray]]]
) -> dict[str, Any]:
    """Returns the value of each metric by name over all batches of (labels, predictions)."""
    settings = EvaluateSettings.model_validate(
        {"metrics": metrics, "slices": {}, "plots": False, "thresholds": [{"metric": metrics[0]["name"], "min": 0}]}
    )
    config = make_eval_config(settings, "label")
    values: dict[Any, Any] = {}
    computations = metric_specs.to_computations(list(config.metrics_specs), config)
    for computation in computations:
        if isinstance(computation, metric_types.MetricComputation):
            values |= _combine(computation, batches)
    for computation in computations:
        if isinstance(computation, metric_types.DerivedMetricComputation):
            values |= computation.result(values)
    return {key.name: np.asarray(value).item() for key, value in values.items() if not key.name.startswith("_")}


def _combine(computation: metric_types.MetricComputation, batches: list[Any]) -> dict[Any, Any]:
    combiner = computation.combiner
    combiner.setup()
    (preprocessor,) = computation.preprocessors or [metric_types.StandardMetricInputsPreprocessor()]
    accumulators = []
    for labels, predictions in batches:
        accumulator = combiner.create_accumulator()
        for row, label in enumerate(labels):
            scores = (
                {name: values[row].copy() for name, values in predictions.items()}
                if isinstance(predictions, dict)
                else predictions[row].copy()
            )
            for found in preprocessor.process({"labels": label, "predictions": scores, "features": {}}):
                accumulator = combiner.add_input(accumulator, metric_types.StandardMetricInputs(found))
        accumulators.append(combiner.compact(accumulator))
    return combiner.extract_output(combiner.merge_accumulators(tuple(accumulators)))
