"""Reads the plots that TFMA computed, as data for a report: small, of one slice, of the candidate."""

from __future__ import annotations

from typing import Any

from tensorflow_model_analysis.api import model_eval_lib

from hilir.components.evaluator.results import candidate_name, name_slice, read_key

_MATRIX_ENTRIES = 1000


def read_plots(uri: str, wanted: str = "overall") -> dict[str, dict[str, Any]]:
    """Returns the plots of a slice, of all rows by default, by the name of the output, '' for a model with one.

    - `calibration`: per bucket of scores `{lower, upper, rows, mean_score, mean_label}`, buckets without rows left out;
    - `thresholds`: per threshold `{threshold, true_positives, false_positives, true_negatives, false_negatives,
      precision, recall}`;
    - `classes`: per pair that occurs `{label, predicted, rows}`; of more than 1,000 pairs the most frequent.
    """
    name = candidate_name(uri)
    found: dict[str, dict[str, Any]] = {}
    for part in model_eval_lib.load_plots(uri):
        if name_slice(read_key(part.slice_key)) != wanted:
            continue
        for each in part.plot_keys_and_values:
            if each.key.model_name == name:
                found.setdefault(each.key.output_name, {}).update(_describe(each.value))
    return found


def _describe(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if value.HasField("calibration_histogram_buckets"):
        found["calibration"] = _calibration(value.calibration_histogram_buckets.buckets)
    if value.HasField("confusion_matrix_at_thresholds"):
        found["thresholds"] = [_counts(matrix) for matrix in value.confusion_matrix_at_thresholds.matrices]
    if value.HasField("multi_class_confusion_matrix_at_thresholds"):
        found["classes"] = _pairs(value.multi_class_confusion_matrix_at_thresholds.matrices[0].entries)
    return found


def _calibration(buckets: Any) -> list[dict[str, float]]:
    return [
        {
            "lower": _number(bucket.lower_threshold_inclusive),
            "upper": _number(bucket.upper_threshold_exclusive),
            "rows": _number(rows),
            "mean_score": _number(bucket.total_weighted_refined_prediction.value / rows),
            "mean_label": _number(bucket.total_weighted_label.value / rows),
        }
        for bucket in buckets
        if (rows := bucket.num_weighted_examples.value)
    ]


def _counts(matrix: Any) -> dict[str, float | None]:
    names = ("true_positives", "false_positives", "true_negatives", "false_negatives", "precision", "recall")
    return {"threshold": _number(matrix.threshold)} | {name: _number(getattr(matrix, name)) for name in names}


def _pairs(entries: Any) -> list[dict[str, float]]:
    pairs = [
        {
            "label": entry.actual_class_id,
            "predicted": entry.predicted_class_id,
            "rows": _number(entry.num_weighted_examples),
        }
        for entry in entries
        if entry.num_weighted_examples
    ]
    return sorted(pairs, key=lambda pair: -pair["rows"])[:_MATRIX_ENTRIES]


def _number(value: float) -> Any:
    """Returns six significant digits; JSON has no NaN and no infinity."""
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return float(f"{value:.6g}")
