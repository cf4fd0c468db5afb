"""How good a model is, from scores alone, and from labels: what a version carries of its evaluation split.

Without labels: confidence-based performance estimation (CBPE; NannyML, "How performance estimation works"). A row with
the calibrated probability p and the decision 1 is right with probability p, so that expected numbers of right and wrong
decisions follow from the scores. It sees a change of the inputs within the region that the evaluation data covers, and
is blind to a change of what the inputs mean for the label. The calibration is a step function over bins of the score,
made monotone by pooling adjacent violators.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from scipy import special

BINS = 50
_ERROR_BINS = 10
# Fewer rows, or fewer of one class, say nothing about a probability.
MIN_ROWS, MIN_CLASS_ROWS = 200, 20
# Standard errors by which a metric may be below that of the evaluation split.
ERRORS = 3.0
# What softmax and rounding leave of a sum of 1.
_SUM_TOLERANCE = 1e-3

Kind = Literal["binary", "multiclass", "regression"]
_KINDS: tuple[Kind, ...] = get_args(Kind)
ERROR_METRICS = ("mae", "rmse")
"""Metrics that are worse where they are larger."""


@dataclass(frozen=True)
class QualityReference:
    """A model's answers on the evaluation split, against the labels.

    Attributes:
        kind: binary: the score of the one output, for class 1; multiclass: the largest of several scores; regression:
            a number, of which nothing can be estimated without labels.
        output: the output that has the scores.
        label: the label that they are compared with.
        threshold: the smallest score of a decision for class 1; not used for several classes.
        edges: inner edges of the bins of the score, ascending; the threshold is one of them.
        probabilities: of class 1 (binary), or of a right decision (multiclass), in each bin, ascending; empty if the
            scores themselves are calibrated better.
        rows: of the evaluation split.
        realised: metrics from the labels.
        estimated: the same metrics as they are estimated without labels.
        errors: calibration errors (ECE) of the scores, and of the step function on rows that it was not fitted to.
        deviations: of a regression's metrics: what their standard error is on one row.
    """

    kind: Kind
    output: str
    label: str
    threshold: float
    edges: tuple[float, ...]
    probabilities: tuple[float, ...]
    rows: int
    realised: Mapping[str, float]
    estimated: Mapping[str, float]
    errors: tuple[float, float]
    deviations: Mapping[str, float] = field(default_factory=dict)


@dataclass
class ScoreCounts:
    """Scores in the bins of a reference.

    Attributes:
        counts: rows in each bin.
        sums: sums of their scores.
    """

    counts: np.ndarray
    sums: np.ndarray

    @classmethod
    def empty(cls, reference: QualityReference) -> ScoreCounts:
        """Returns no rows."""
        return cls(np.zeros(len(reference.edges) + 1), np.zeros(len(reference.edges) + 1))

    def add(self, reference: QualityReference, scores: np.ndarray) -> None:
        """Counts scores, [rows]; those that are not finite are left out."""
        scores = scores[np.isfinite(scores)]
        places = np.searchsorted(reference.edges, scores, side="right")
        self.counts += np.bincount(places, minlength=self.counts.size)
        self.sums += np.bincount(places, scores, self.counts.size)


def fit_quality(output: str, label: str, scores: np.ndarray, labels: np.ndarray) -> QualityReference | None:
    """Returns what a version carries; None where scores and labels do not belong together, or are too few.

    Args:
        output: name of the output.
        label: name of the label.
        scores: [rows] or [rows, 1] for two classes, and for numbers; [rows, classes] for several.
        labels: [rows], 0 or 1 for two classes; the index of the class for several; numbers. NaN is a row without one.
    """
    is_number = np.asarray(scores).dtype.kind == "f"
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, np.float64).ravel()
    if len(scores) != len(labels):
        return None
    scores, labels = scores[np.isfinite(labels)], labels[np.isfinite(labels)]
    rows = len(labels)
    if rows < MIN_ROWS or not np.isfinite(scores).all():
        return None
    if scores.size == rows and set(np.unique(labels)) == {0.0, 1.0}:
        flat, right = scores.ravel(), labels
        threshold = 0.5 if flat.min() >= 0 and flat.max() <= 1 else 0.0
        return _fit("binary", output, label, threshold, flat, right)
    if scores.ndim == 2 and are_distributions(scores) and (labels == labels.astype(int)).all():
        right = (scores.argmax(axis=1) == labels).astype(np.float64)
        return _fit("multiclass", output, label, 0.0, scores.max(axis=1), right)
    if scores.size == rows and is_number and len(np.unique(labels)) > 2:
        return _fit_regression(output, label, scores.ravel(), labels)
    return None


def are_distributions(scores: np.ndarray) -> bool:
    """Returns whether each row is a distribution over the classes."""
    return scores.shape[1] > 1 and bool(scores.min() >= 0 and np.abs(scores.sum(axis=1) - 1).max() < _SUM_TOLERANCE)


def estimate_metrics(reference: QualityReference, scores: ScoreCounts) -> dict[str, float]:
    """Returns the metrics that the scores lead to expect; none for no rows."""
    n = scores.counts
    if not n.sum():
        return {}
    used = n > 0
    expected = np.zeros(n.size)
    expected[used] = n[used] * np.asarray(reference.probabilities)[used] if reference.probabilities else np.clip(
        scores.sums[used], 0, n[used]
    )  # fmt: skip
    if reference.kind == "multiclass":
        return {"accuracy": float(expected.sum() / n.sum())}
    return _binary_metrics(expected, n - expected, _decided(reference))


def measure_metrics(reference: QualityReference, scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns the metrics of scores [rows] and labels [rows]; for several classes, `labels` says which are right."""
    if reference.kind == "regression":
        return {name: value for name, (value, _) in measure_errors(scores, labels).items()}
    if reference.kind == "multiclass":
        return {"accuracy": float(np.mean(labels))} if labels.size else {}
    order = np.argsort(scores, kind="stable")
    scores, labels = scores[order], labels[order]
    starts = np.flatnonzero(np.append(True, np.diff(scores) > 0)) if scores.size else np.empty(0, int)
    if not starts.size:
        return {}
    positive, negative = np.add.reduceat(labels, starts), np.add.reduceat(1 - labels, starts)
    return _binary_metrics(positive, negative, scores[starts] >= reference.threshold)


def standard_error(metric: str, value: float, positive: float, negative: float) -> float:
    """Returns the standard error of a metric on so many rows of class 1 and 0.

    AUC: Hanley and McNeil (1982); others: that of a share of the rows that they are a share of.
    """
    if metric == "auc":
        if min(positive, negative) < 1:
            return math.inf
        q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
        variance = value * (1 - value) + (positive - 1) * (q1 - value**2) + (negative - 1) * (q2 - value**2)
        return math.sqrt(max(variance, 0.0) / (positive * negative))
    rows = positive if metric == "recall" else positive + negative
    return math.sqrt(max(value * (1 - value), 0.25 / max(rows, 1)) / rows) if rows else math.inf


def measure_errors(predicted: np.ndarray, observed: np.ndarray) -> dict[str, tuple[float, float]]:
    """Returns the mean absolute and the root of the mean squared error, each with its deviation on one row.

    A standard error is the deviation by the root of the rows; of the root of a mean by the delta method.
    """
    errors = np.abs(predicted - observed)
    if not errors.size:
        return {}
    squared = errors**2
    root = math.sqrt(float(squared.mean()))
    deviation = float(squared.std()) / (2 * root) if root else 0.0
    return {"mae": (float(errors.mean()), float(errors.std())), "rmse": (root, deviation)}


def find_limit(reference: QualityReference, metric: str, rows: float, *, estimated: bool) -> float:
    """Returns the value from which on a metric on so many rows is worse than on the evaluation split, not by chance.

    Lower values are worse, and of an error (`ERROR_METRICS`) greater ones.
    """
    values = reference.estimated if estimated else reference.realised
    value, sizes = values[metric], (rows, reference.rows)
    if metric in ERROR_METRICS:
        return value + ERRORS * math.hypot(*(reference.deviations[metric] / math.sqrt(n) for n in sizes))
    share = reference.realised.get("positive_share", 0.5)
    error = math.hypot(*(standard_error(metric, value, share * n, (1 - share) * n) for n in sizes))
    return value - ERRORS * error


def encode_quality(reference: QualityReference) -> dict[str, Any]:
    """Returns the reference as JSON."""
    return asdict(reference)


def decode_quality(content: Mapping[str, Any]) -> QualityReference:
    """Returns the reference that `encode_quality` wrote.

    Raises:
        ValueError, KeyError, TypeError: it is not one.
    """
    edges = tuple(float(edge) for edge in content["edges"])
    probabilities = tuple(float(each) for each in content["probabilities"])
    if any(a >= b for a, b in pairwise(edges)) or len(probabilities) not in (0, len(edges) + 1):
        raise ValueError("edges and probabilities do not fit")
    if content["kind"] not in _KINDS:
        raise ValueError(f"kind {content['kind']!r}")
    before, after = content["errors"]
    return QualityReference(
        content["kind"], str(content["output"]), str(content["label"]), float(content["threshold"]), edges,
        probabilities, int(content["rows"]), dict(content["realised"]), dict(content["estimated"]),
        (float(before), float(after)), dict(content.get("deviations", {})),
    )  # fmt: skip


def _fit(
    kind: Kind, output: str, label: str, threshold: float, scores: np.ndarray, right: np.ndarray
) -> QualityReference | None:
    if min(right.sum(), len(right) - right.sum()) < MIN_CLASS_ROWS:
        return None
    edges = _find_edges(scores, threshold if kind == "binary" else None)
    half = np.arange(len(scores)) % 2 == 0
    steps = _fit_steps(edges, scores[half], right[half])
    places = np.searchsorted(edges, scores[~half], side="right")
    # In bins of a few rows, chance alone is an error.
    groups = np.asarray(places * _ERROR_BINS // (len(edges) + 1))
    errors = (
        _calibration_error(scores[~half], right[~half], groups) if scores.min() >= 0 and scores.max() <= 1 else 1.0,
        _calibration_error(steps[places], right[~half], groups),
    )
    probabilities = tuple(_fit_steps(edges, scores, right).tolist()) if errors[1] < errors[0] else ()
    found = QualityReference(kind, output, label, threshold, tuple(edges), probabilities, len(scores), {}, {}, errors)
    counts = ScoreCounts.empty(found)
    counts.add(found, scores)
    realised = measure_metrics(found, scores, right)
    estimated = estimate_metrics(found, counts)
    return QualityReference(**(asdict(found) | {"realised": realised, "estimated": estimated}))


def _fit_regression(output: str, label: str, predicted: np.ndarray, observed: np.ndarray) -> QualityReference:
    found = measure_errors(predicted, observed)
    realised = {name: value for name, (value, _) in found.items()}
    deviations = {name: deviation for name, (_, deviation) in found.items()}
    return QualityReference(
        "regression", output, label, 0.0, (), (), len(observed), realised, {}, (0.0, 0.0), deviations
    )


def _find_edges(scores: np.ndarray, threshold: float | None) -> list[float]:
    """Returns edges between bins of about equally many rows."""
    inner = np.quantile(scores, np.arange(1, BINS) / BINS, method="higher")
    found = np.unique(inner if threshold is None else np.append(inner, threshold))
    edges: list[float] = found.tolist()
    return edges


def _fit_steps(edges: list[float], scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns the monotone probability of each bin: pool adjacent violators, weighted by rows (Barlow et al. 1972)."""
    places = np.searchsorted(edges, scores, side="right")
    weights = np.bincount(places, minlength=len(edges) + 1).astype(np.float64)
    sums = np.bincount(places, right, len(edges) + 1)
    pools: list[list[float]] = []  # sum, weight, bins
    for total, weight in zip(sums, weights, strict=True):
        pools.append([total, weight, 1])
        while len(pools) > 1 and _violates(pools[-2], pools[-1]):
            total_, weight_, bins = pools.pop()
            pools[-1] = [pools[-1][0] + total_, pools[-1][1] + weight_, pools[-1][2] + bins]
    values = [total / weight if weight else 0.5 for total, weight, _ in pools]
    steps: np.ndarray = np.repeat(values, [int(bins) for _, _, bins in pools])
    return steps


def _violates(lower: list[float], upper: list[float]) -> bool:
    """Returns whether a pool is empty, or its mean not below that of the next one."""
    return not lower[1] or not upper[1] or lower[0] * upper[1] >= upper[0] * lower[1]


def _calibration_error(probabilities: np.ndarray, right: np.ndarray, groups: np.ndarray) -> float:
    """Returns the expected calibration error over groups: mean distance of probability and share, by rows."""
    differences = np.bincount(groups, probabilities - right)
    return float(np.abs(differences).sum() / len(right))


def _decided(reference: QualityReference) -> np.ndarray:
    lower: np.ndarray = np.append(-np.inf, reference.edges)
    decided: np.ndarray = lower >= reference.threshold
    return decided


def _binary_metrics(positive: np.ndarray, negative: np.ndarray, decided: np.ndarray) -> dict[str, float]:
    """Returns metrics of (expected) numbers of both classes in groups of rows by ascending score."""
    p, n = positive.sum(), negative.sum()
    true_positive, false_positive = positive[decided].sum(), negative[decided].sum()
    metrics = {
        "accuracy": (true_positive + negative[~decided].sum()) / (p + n),
        "positive_share": p / (p + n),
    }
    if p and n:
        below = np.cumsum(negative) - negative
        metrics["auc"] = np.sum(positive * (below + negative / 2)) / (p * n)
    if true_positive + false_positive:
        metrics["precision"] = true_positive / (true_positive + false_positive)
    if p:
        metrics["recall"] = true_positive / p
    return {name: float(value) for name, value in metrics.items()}


def wilson(hits: float, rows: float, confidence: float = 0.95) -> tuple[float, float]:
    """Returns Wilson's interval of a share (Wilson 1927); (0, 1) for no rows."""
    if rows <= 0:
        return 0.0, 1.0
    z = float(special.ndtri((1 + confidence) / 2))
    share = hits / rows
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z * math.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2)) / (1 + z**2 / rows)
    return max(middle - half, 0.0), min(middle + half, 1.0)
