"""The quality of a classifier in a window: estimated from its scores, as its version's calibration says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hilir.analysis.quality import QualityReference, ScoreCounts, estimate_metrics, lower_bound
from hilir.serving.monitor.counts import join_outputs
from hilir.serving.monitor.request import Column

# Shares of the rows, which may change without the model being worse.
_NOT_JUDGED = ("positive_share",)


@dataclass(frozen=True)
class MetricResult:
    """A metric in a window.

    Attributes:
        metric: accuracy, auc, precision, recall or positive_share.
        kind: `estimated` or `realised`.
        value: the metric.
        reference: the same on the evaluation split.
        bound: the value below which it is worse than there, not by chance; None for a share that is not judged.
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
    def is_below(self) -> bool:
        """Whether it is worse than on the evaluation split, not by chance."""
        return self.bound is not None and self.value < self.bound


def open_scores(reference: QualityReference | None, state: Any = None) -> ScoreCounts | None:
    """Returns counts of scores, empty or as they were stored; None for what is not a classifier."""
    if reference is None:
        return None
    counts = ScoreCounts.empty(reference)
    if state is not None and len(state[0]) == counts.counts.size:
        return ScoreCounts(np.array(state[0], np.float64), np.array(state[1], np.float64))
    return counts


def find_scores(reference: QualityReference, outputs: Mapping[str, Column]) -> np.ndarray:
    """Returns the score of each row, [rows]: that of class 1, or the largest of several; NaN where there is none."""
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
    """Returns the lower bound of a metric that is judged."""
    return None if metric in _NOT_JUDGED else lower_bound(reference, metric, rows, estimated=estimated)


def _score(reference: QualityReference, row: Sequence[Any]) -> float:
    numbers = [float(value) for value in row if isinstance(value, (int, float))]
    if len(numbers) != len(row) or not numbers:
        return float("nan")
    if reference.kind == "multiclass":
        return max(numbers)
    # Classify answers the scores of both classes.
    return numbers[-1] if len(numbers) <= 2 else float("nan")
