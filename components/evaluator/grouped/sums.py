"""Metrics that are sums over entries: counts, means of labels and scores, correlation, discrimination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tensorflow_model_analysis.metrics import calibration, squared_pearson_correlation, tjur_discrimination

from hilir.components.evaluator.grouped.columns import Batch, Columns, Request

Terms = Callable[[Columns], np.ndarray]


class Count:
    """For TFMA's `_ExampleCountCombiner`: adds up the weights of rows, or counts them."""

    def __init__(self, combiner: Any) -> None:
        self._combiner = combiner
        self._request = Request(combiner._model_name, combiner._output_name, weighted=combiner._example_weighted)

    def summarize(self, batch: Batch, slices: Sequence[np.ndarray]) -> list[float]:
        """Returns the sum of each slice."""
        weights = batch.read_weights(self._request)
        if weights is None:
            return [float(len(rows)) for rows in slices]
        return [float(np.sum(weights[rows], dtype=np.float64)) for rows in slices]

    def merge(self, parts: Sequence[float]) -> float:
        """Returns the sum."""
        return sum(parts)

    def extract(self, accumulator: float) -> dict[Any, Any]:
        """Returns the count by the combiner's keys."""
        found: dict[Any, Any] = self._combiner.extract_output(accumulator)
        return found


class Sums:
    """For combiners of TFMA whose accumulators are objects with a number for each sum."""

    def __init__(self, combiner: Any, request: Request, names: Sequence[str], terms: Terms) -> None:
        """`terms` returns what is added up, [names, entries]."""
        self._combiner, self._request, self._names, self._terms = combiner, request, names, terms

    def summarize(self, batch: Batch, slices: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the sums of each slice, [names]."""
        columns = batch.read(self._request)
        terms = self._terms(columns)
        return [terms[:, columns.select(rows, batch.rows)].sum(axis=1) for rows in slices]

    def merge(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the sums of both."""
        total: np.ndarray = np.asarray(np.sum(parts, axis=0))
        return total

    def extract(self, accumulator: np.ndarray) -> dict[Any, Any]:
        """Returns what the combiner makes of the sums."""
        native = self._combiner.create_accumulator()
        for name, value in zip(self._names, accumulator.tolist(), strict=True):
            setattr(native, name, value)
        found: dict[Any, Any] = self._combiner.extract_output(native)
        return found


def make_means(combiner: Any) -> Sums:
    """Returns the sums of TFMA's calibration, mean label and mean prediction."""
    names = calibration._WeightedLabelsPredictionsExamples.__slots__
    return Sums(combiner, _request_of(combiner), names, _mean_terms)


def make_correlation(combiner: Any) -> Sums:
    """Returns the sums of TFMA's squared Pearson correlation, which does not look at parts of the scores."""
    names = squared_pearson_correlation._SquaredPearsonCorrelationAccumulator.__slots__
    return Sums(combiner, _request_of(combiner, part=False), names, _correlation_terms)


def make_discrimination(combiner: Any) -> Sums:
    """Returns the sums of TFMA's coefficient of discrimination, which does not look at parts of the scores."""
    names = tjur_discrimination._TjurDiscriminationAccumulator.__slots__
    return Sums(combiner, _request_of(combiner, part=False), names, _discrimination_terms)


def _request_of(combiner: Any, *, part: bool = True) -> Request:
    key = combiner._key
    return Request(key.model_name, key.output_name, key.sub_key if part else None, weighted=combiner._example_weighted)


def _mean_terms(columns: Columns) -> np.ndarray:
    weights = columns.weights
    total: np.ndarray = np.asarray([columns.labels * weights, columns.scores.astype(np.float64) * weights, weights])
    return total


def _correlation_terms(columns: Columns) -> np.ndarray:
    labels, scores, weights = _as_floats(columns)
    squares = [weights * labels**2, weights * scores**2]
    total: np.ndarray = np.asarray([weights * labels, weights * scores, *squares, weights * labels * scores, weights])
    return total


def _discrimination_terms(columns: Columns) -> np.ndarray:
    labels, scores, weights = _as_floats(columns)
    negative, positive = (1.0 - labels) * weights, labels * weights
    total: np.ndarray = np.asarray([negative * scores, negative, positive * scores, positive])
    return total


def _as_floats(columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return columns.labels.astype(np.float64), columns.scores.astype(np.float64), columns.weights
