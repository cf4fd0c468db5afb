"""Metrics from histograms of scores and from confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorflow_model_analysis.contrib.aggregates import binary_confusion_matrices as aggregates
from tensorflow_model_analysis.metrics import calibration_histogram, multi_class_confusion_matrix_metrics

from hilir.components.evaluator.grouped.columns import Batch, Columns, Request

_Histogram = tuple[np.ndarray, np.ndarray]
"""Numbers of the buckets that have rows, ascending, and sums of labels, scores and weights, [3, buckets]."""


class Histogram:
    """For TFMA's `_CalibrationHistogramCombiner`, from which AUC and its like are derived."""

    def __init__(self, combiner: Any) -> None:
        self._combiner = combiner
        key = combiner._key
        self._request = Request(
            key.model_name,
            key.output_name,
            key.sub_key,
            weighted=combiner._example_weighted,
            fractional=combiner._fractional_labels,
        )

    def summarize(self, batch: Batch, slices: Sequence[np.ndarray]) -> list[_Histogram]:
        """Returns the histogram of each slice."""
        columns = batch.read(self._request)
        scores: np.ndarray = columns.scores.astype(np.float64)
        numbers = self._number(scores if self._combiner._prediction_based_bucketing else columns.labels)
        weighted_scores = np.multiply(scores, columns.weights, where=columns.weights != 0, out=np.zeros_like(scores))
        terms = np.stack([columns.labels * columns.weights, weighted_scores, columns.weights])
        found = []
        for rows in slices:
            chosen = columns.select(rows, batch.rows)
            found.append(_add_up(numbers[chosen], terms[:, chosen]))
        return found

    def _number(self, values: np.ndarray) -> np.ndarray:
        """Returns the bucket of each value: 0 below the first, one more than there are above the last."""
        combiner = self._combiner
        buckets = combiner._num_buckets
        places = (values.astype(np.float64) - combiner._left) / combiner._range * buckets + 1
        total: np.ndarray = np.asarray(
            np.clip(np.trunc(np.clip(places, -1.0, buckets + 1.0)), 0, buckets + 1), np.int64
        )
        return total

    def merge(self, parts: Sequence[_Histogram]) -> _Histogram:
        """Returns the histogram of all."""
        if len(parts) == 1:
            return parts[0]
        return _add_up(
            np.concatenate([numbers for numbers, _ in parts]), np.concatenate([sums for _, sums in parts], axis=1)
        )

    def extract(self, accumulator: _Histogram) -> dict[Any, Any]:
        """Returns the buckets that have rows."""
        numbers, sums = accumulator
        buckets = zip(numbers.tolist(), *sums.tolist(), strict=True)
        return {self._combiner._key: [calibration_histogram.Bucket(*bucket) for bucket in buckets]}


class Thresholds:
    """For TFMA's `_BinaryConfusionMatrixCombiner`: a confusion matrix at each threshold."""

    def __init__(self, combiner: Any) -> None:
        self._combiner = combiner
        self._thresholds = list(combiner._binary_confusion_matrices._thresholds)
        key = combiner._key
        self._request = Request(
            key.model_name, key.output_name, key.sub_key, weighted=combiner._example_weighted, fractional=True
        )

    def summarize(self, batch: Batch, slices: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns tp, tn, fp, fn of each slice, [4, thresholds]."""
        columns = batch.read(self._request)
        positive = columns.labels == 1.0
        weights = np.stack([columns.weights * positive, columns.weights * ~positive])
        above = columns.scores.astype(np.float64)[:, None] > np.array(self._thresholds)
        found = []
        for rows in slices:
            chosen = columns.select(rows, batch.rows)
            part = weights[:, chosen]
            (tp, fp), total = part @ above[chosen], part.sum(axis=1)
            found.append(np.stack([tp, total[1] - fp, fp, total[0] - tp]))
        return found

    def merge(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the sums."""
        total: np.ndarray = np.asarray(np.sum(parts, axis=0))
        return total

    def extract(self, accumulator: np.ndarray) -> dict[Any, Any]:
        """Returns TFMA's entry of each threshold, without examples."""
        entries = {
            threshold: aggregates._ThresholdEntry(aggregates.Matrix(*matrix), [], [], [], [])
            for threshold, matrix in zip(self._thresholds, accumulator.T.tolist(), strict=True)
        }
        return {self._combiner._key: entries}


class Classes:
    """For TFMA's `_MultiClassConfusionMatrixCombiner` with one threshold."""

    def __init__(self, combiner: Any) -> None:
        self._combiner = combiner
        (self._threshold,) = combiner._thresholds
        key = combiner._key
        self._request = Request(key.model_name, key.output_name, weighted=combiner._example_weighted, flat=False)

    def summarize(self, batch: Batch, slices: Sequence[np.ndarray]) -> list[_Histogram]:
        """Returns the weights of each slice by pair of true and predicted class, as a histogram of their numbers.

        Raises:
            ValueError: a row has one score, so that there are no classes.
        """
        columns = batch.read(self._request)
        if columns.scores.ndim != 2 or columns.scores.shape[1] < 2:
            raise ValueError(
                f"Predictions shape must be > 1 for multi-class confusion matrix: shape={columns.scores.shape[1:]}"
            )
        pairs = _number_pairs(columns, self._threshold)
        found = []
        for rows in slices:
            chosen = columns.select(rows, batch.rows)
            found.append(_add_up(pairs[chosen], columns.weights[None, chosen]))
        return found

    def merge(self, parts: Sequence[_Histogram]) -> _Histogram:
        """Returns the weights of all."""
        return _add_up(
            np.concatenate([numbers for numbers, _ in parts]), np.concatenate([sums for _, sums in parts], axis=1)
        )

    def extract(self, accumulator: _Histogram) -> dict[Any, Any]:
        """Returns TFMA's matrix."""
        numbers, sums = accumulator
        matrices = multi_class_confusion_matrix_metrics.Matrices()
        if len(numbers):
            matrices[self._threshold] = {
                multi_class_confusion_matrix_metrics.MatrixEntryKey(
                    number // _PAIR - _OFFSET, number % _PAIR - _OFFSET
                ): weight
                for number, weight in zip(numbers.tolist(), sums[0].tolist(), strict=True)
            }
        return {self._combiner._key: matrices}


# A pair of classes as one number; the predicted class may be -1, which stands for none, and so may a label.
_PAIR, _OFFSET = 1 << 31, 1 << 30


def _number_pairs(columns: Columns, threshold: float) -> np.ndarray:
    labels = columns.labels
    actual = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0].astype(np.int64)
    predicted = columns.scores.argmax(axis=1)
    none = multi_class_confusion_matrix_metrics.NO_PREDICTED_CLASS_ID
    predicted = np.where(columns.scores.max(axis=1) <= threshold, none, predicted)
    total: np.ndarray = np.asarray((actual.astype(np.int64) + _OFFSET) * _PAIR + predicted + _OFFSET)
    return total


def _add_up(numbers: np.ndarray, terms: np.ndarray) -> _Histogram:
    """Returns each number once, ascending, and the sums of its terms, [terms, numbers]."""
    found, places = np.unique(numbers, return_inverse=True)
    sums = np.empty((len(terms), len(found)))
    for number, term in enumerate(terms):
        sums[number] = np.bincount(places, term, minlength=len(found))
    return found, sums
