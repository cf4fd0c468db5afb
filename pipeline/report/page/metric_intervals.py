"""The interval of each metric of a report for which the number of rows gives one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilir.analysis.intervals import auc_interval, share_interval
from hilir.analysis.measures import count_rows, read_measures
from hilir.pipeline.report.document import Document

# Shares of the rows; a class of TFMA or Keras.
_SHARES = {
    "Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy", "TopKCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
}  # fmt: skip

Intervals = Mapping[tuple[str, str], tuple[float, float]]


def find_intervals(document: Document) -> Intervals:
    """Returns (low, high) of 95 % by slice and metric.

    There is one of each accuracy, and over all rows of the area under a ROC curve; none where rows have weights, since
    a row that counts twice does not say twice as much.
    """
    if document.evaluation.get("weighted"):
        return {}
    measures = read_measures(document.evaluate)
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for metric in document.evaluate.get("metrics", []):
        name = metric["name"]
        if metric["class"] in _SHARES:
            for part, values in document.metrics.items():
                rows = count_rows(measures, values)
                if values.get(name) is not None and rows:
                    found[part, name] = share_interval(values[name], rows)
        elif metric["class"] == "AUC" and (metric.get("config") or {}).get("curve", "ROC") == "ROC":
            value = document.metrics.get("overall", {}).get(name)
            plots = document.evaluation.get("plots", {})
            output = metric.get("output") or document.evaluate.get("output")
            # The only output of a model has no name there.
            counts = _count_labels(plots.get(output) or plots.get("") or {})
            if value is not None and counts and metric.get("class_id") is None:
                found["overall", name] = auc_interval(value, *counts)
    return found


def _count_labels(plots: Mapping[str, Any]) -> tuple[float, float] | None:
    """Returns the numbers of positive and of negative rows."""
    thresholds = plots.get("thresholds")
    if not thresholds:
        return None
    first = thresholds[0]
    return first["true_positives"] + first["false_negatives"], first["true_negatives"] + first["false_positives"]
