"""The drift that TensorFlow Data Validation and Vertex AI Model Monitoring print, for comparison with their numbers.

Not for alarms: the buckets are of equal width between the smallest and the largest value of each data set, so that one
outlier moves them all, and a heavy tail differs from itself (`drift` has the statistic to alarm on). The rules are
those of tensorflow_data_validation/anomalies/metrics.cc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BUCKETS = 10


@dataclass(frozen=True)
class Histogram:
    """A histogram of numbers.

    Attributes:
        buckets: (low, high, count), ascending; low equals high in a bucket of one value.
        nan: how many values are NaN.
    """

    buckets: Sequence[tuple[float, float, float]]
    nan: float = 0.0


def make_histogram(values: np.ndarray) -> Histogram:
    """Returns ten buckets of equal width between the smallest and the largest finite value."""
    finite = values[np.isfinite(values)]
    nan = float(np.isnan(values).sum())
    if finite.size == 0:
        return Histogram((), nan)
    counts, edges = np.histogram(finite, BUCKETS, (finite.min(), finite.max()))
    if edges[0] == edges[-1] or finite.min() == finite.max():
        return Histogram(((float(finite.min()), float(finite.min()), float(finite.size)),), nan)
    return Histogram(tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)), nan)


def jensen_shannon(one: Histogram, other: Histogram) -> float:
    """Returns the Jensen-Shannon divergence in bits, at most 1.

    The mass of each bucket is spread evenly over the union of both histograms' edges. Buckets of one value are
    compared by that value; infinite ends of one data set never meet those of the other, and neither do NaNs.

    Raises:
        ValueError: one of the histograms is empty.
    """
    edges = np.unique([edge for each in (one, other) for low, high, _ in _wide(each) for edge in (low, high)])
    points = sorted({low for each in (one, other) for low, _ in _points(each)})
    p, q = (np.concatenate([_spread(each, edges), _at(each, points)]) for each in (one, other))
    infinite = [sum(count for low, high, count in each.buckets if not _is_finite(low, high)) for each in (one, other)]
    p = np.concatenate([p, [infinite[0], 0.0, 0.0, one.nan]])
    q = np.concatenate([q, [0.0, infinite[1], other.nan, 0.0]])
    if p.sum() == 0 or q.sum() == 0:
        raise ValueError("an empty histogram has no distribution")
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float(min((_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2, 1.0))


def largest_difference(one: Mapping[str, float], other: Mapping[str, float]) -> tuple[str, float]:
    """Returns the L-infinity distance of the shares of two counts, and the value with that difference.

    Raises:
        ValueError: one of them is empty.
    """
    totals = [sum(each.values()) for each in (one, other)]
    if not all(totals):
        raise ValueError("empty counts have no shares")
    differences = {
        value: abs(one.get(value, 0) / totals[0] - other.get(value, 0) / totals[1]) for value in {**one, **other}
    }
    value = max(differences, key=lambda each: (differences[each], each))
    return value, differences[value]


def _is_finite(low: float, high: float) -> bool:
    return bool(np.isfinite(low) and np.isfinite(high))


def _wide(histogram: Histogram) -> list[tuple[float, float, float]]:
    return [bucket for bucket in histogram.buckets if _is_finite(*bucket[:2]) and bucket[0] < bucket[1]]


def _points(histogram: Histogram) -> list[tuple[float, float]]:
    return [(low, count) for low, high, count in histogram.buckets if _is_finite(low, high) and low == high]


def _spread(histogram: Histogram, edges: np.ndarray) -> np.ndarray:
    """Returns the mass between each two edges, if that of each bucket is spread evenly over it."""
    mass = np.zeros(max(edges.size - 1, 0))
    for low, high, count in _wide(histogram):
        first, last = (int(np.searchsorted(edges, edge)) for edge in (low, high))
        mass[first:last] += count * np.diff(edges[first : last + 1]) / (high - low)
    return mass


def _at(histogram: Histogram, points: Sequence[float]) -> np.ndarray:
    mass = dict.fromkeys(points, 0.0)
    for value, count in _points(histogram):
        mass[value] += count
    found: np.ndarray = np.array(list(mass.values()))
    return found


def _relative_entropy(p: np.ndarray, q: np.ndarray) -> float:
    used = p > 0
    return float(np.sum(p[used] * np.log2(p[used] / q[used])))
