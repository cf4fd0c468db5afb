"""The quality of a model in a window: measured with outcomes, or estimated from a classifier's scores alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hilir.analysis.quality import (
    ERROR_METRICS,
    MIN_ROWS,
    QualityReference,
    ScoreCounts,
    estimate_metrics,
    find_limit,
    measure_errors,
    measure_metrics,
    standard_error,
    wilson,
)
from hilir.serving.monitor.counts import join_outputs
from hilir.serving.request_log.request import Column, Request

# A share of the rows may change without the model being worse, and a few outliers are most of a squared error.
_NOT_JUDGED = ("positive_share", "rmse")
NUMBER = "\0number"
"""What stands for the class of a prediction that is a number."""
# The output that names the class of each score; that of one output of several has its name in front.
_CLASS_NAMES = "classes"
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction that waits for its outcome.

    Attributes:
        request: id of its request.
        row: its row there.
        time: seconds since 1970.
        score: of class 1, or the largest of several; or the number that was predicted.
        name: of class 1, or the predicted one of several, as outcomes name it; `NUMBER` for a number.
    """

    request: str
    row: int
    time: float
    score: float
    name: str


@dataclass(frozen=True)
class MetricResult:
    """A metric in a window.

    Attributes:
        metric: accuracy, auc, precision, recall or positive_share; mae or rmse.
        kind: `estimated` or `realised`.
        value: the metric.
        reference: the same on the evaluation split.
        bound: the value from which on it is worse than there, not by chance; None for what is not judged.
        rows: rows that it comes from.
        low, high: the interval of a realised metric, 95 %; None of an estimated one.
        coverage: share of the window's rows with an outcome; None of an estimated metric.
    """

    metric: str
    kind: str
    value: float
    reference: float
    bound: float | None
    rows: int
    low: float | None = None
    high: float | None = None
    coverage: float | None = None

    @property
    def is_error(self) -> bool:
        """Whether greater values are worse."""
        return self.metric in ERROR_METRICS

    @property
    def is_worse(self) -> bool:
        """Whether it is worse than on the evaluation split, not by chance."""
        if self.bound is None:
            return False
        return self.value > self.bound if self.is_error else self.value < self.bound


def open_scores(reference: QualityReference | None, state: Any = None) -> ScoreCounts | None:
    """Returns counts of scores, empty or as they were stored; None for what is not a classifier."""
    if reference is None or reference.kind == "regression":
        return None
    counts = ScoreCounts.empty(reference)
    if state is not None and len(state[0]) == counts.counts.size:
        return ScoreCounts(np.array(state[0], np.float64), np.array(state[1], np.float64))
    return counts


def find_scores(reference: QualityReference, outputs: Mapping[str, Column]) -> np.ndarray:
    """Returns the score of each row, [rows]: that of class 1, the largest of several, or a number; NaN for none."""
    column = join_outputs(outputs, [reference.output]).get(reference.output, ())
    scores: np.ndarray = np.array([_score(reference, row) for row in column], np.float64)
    return scores


def estimate(reference: QualityReference, scores: ScoreCounts) -> list[MetricResult]:
    """Returns the metrics that the scores lead to expect."""
    rows = int(scores.counts.sum())
    return [
        MetricResult(
            metric, "estimated", value, reference.estimated[metric], find_bound(reference, metric, rows, True), rows
        )
        for metric, value in estimate_metrics(reference, scores).items()
        if metric in reference.estimated
    ]


def find_bound(reference: QualityReference, metric: str, rows: int, estimated: bool) -> float | None:
    """Returns the bound of a metric that is judged."""
    return None if metric in _NOT_JUDGED else find_limit(reference, metric, rows, estimated=estimated)


def list_predictions(reference: QualityReference, request: Request) -> list[Prediction]:
    """Returns what a request was answered, row by row; nothing without an id, to which no outcome could belong."""
    if not request.request_id:
        return []
    scores = find_scores(reference, request.outputs)
    column = join_outputs(request.outputs, [reference.output]).get(reference.output, ())
    names = request.outputs.get(f"{reference.output}_{_CLASS_NAMES}", request.outputs.get(_CLASS_NAMES, ()))
    return [
        Prediction(request.request_id, row, request.time, float(score), _name(reference, column[row], names, row))
        for row, score in enumerate(scores)
        if np.isfinite(score)
    ]


def measure(reference: QualityReference, labelled: Sequence[tuple[float, float]], rows: int) -> list[MetricResult]:
    """Returns the metrics of predictions whose outcome is known: scores and labels, of so many rows."""
    if not labelled:
        return []
    scores, labels = np.array([score for score, _ in labelled]), np.array([float(label) for _, label in labelled])
    known, positive = len(labelled), float(labels.sum())
    errors, found = measure_errors(scores, labels), []
    for metric, value in measure_metrics(reference, scores, labels).items():
        if metric not in reference.realised:
            continue
        if metric in ERROR_METRICS:
            half = _NORMAL_95 * errors[metric][1] / math.sqrt(known)
            low, high = max(value - half, 0.0), value + half
        elif metric == "auc":
            half = _NORMAL_95 * standard_error(metric, value, positive, known - positive)
            low, high = max(value - half, 0.0), min(value + half, 1.0)
        else:
            of = _rows_of(reference, metric, scores, positive)
            low, high = wilson(value * of, of)
        bound = find_bound(reference, metric, known, False) if known >= MIN_ROWS else None
        found.append(
            MetricResult(
                metric, "realised", value, reference.realised[metric], bound, known, low, high, known / max(rows, known)
            )
        )
    return found


def name_class(reference: QualityReference, classes: Sequence[str], value: float | str) -> str | None:
    """Returns how predictions call the class that an outcome names; None where it is not one of the label's.

    Args:
        reference: of the version.
        classes: the names of the label's classes, class 0 first; empty where they are numbers.
        value: the outcome: the name of a class, or its number.
    """
    number = None if isinstance(value, str) or value != int(value) else int(value)
    text = value if isinstance(value, str) else str(value if number is None else number)
    if text in classes:
        return text
    if classes:
        return classes[number] if number is not None and 0 <= number < len(classes) else None
    fits = text in ("0", "1") if reference.kind == "binary" else text.isascii() and text.isdecimal()
    return text if fits else None


def _rows_of(reference: QualityReference, metric: str, scores: np.ndarray, positive: float) -> float:
    """Returns the rows that a metric is a share of."""
    if metric == "precision":
        return float((scores >= reference.threshold).sum())
    return positive if metric == "recall" else float(len(scores))


def _name(reference: QualityReference, row: Sequence[Any], names: Column, place: int) -> str:
    """Returns the name of the class that the score is about."""
    if reference.kind == "regression":
        return NUMBER
    index = len(row) - 1 if reference.kind == "binary" else int(np.argmax(row))
    own = names[place] if place < len(names) else ()
    if len(own) == len(row):
        value = own[index]
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "1" if reference.kind == "binary" else str(index)


def _score(reference: QualityReference, row: Sequence[Any]) -> float:
    numbers = [float(value) for value in row if isinstance(value, (int, float))]
    if len(numbers) != len(row) or not numbers:
        return float("nan")
    if reference.kind == "multiclass":
        return max(numbers)
    if reference.kind == "regression" and len(numbers) > 1:
        return float("nan")
    # Classify answers the scores of both classes.
    return numbers[-1] if len(numbers) <= 2 else float("nan")
