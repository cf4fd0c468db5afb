"""The histograms of TFDV, number for number, without a message of protobuf for each step of the computation.

The rules are those of tensorflow_data_validation/utils/quantiles_util.py, whose functions these stand in for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from tensorflow_data_validation.utils import quantiles_util
from tensorflow_metadata.proto.v0 import statistics_pb2

_Bin = tuple[float, float, float]
"""Low value, high value, rows."""


@contextmanager
def own_histograms() -> Iterator[None]:
    """Lets TFDV make its histograms with the functions below, in this process."""
    names = ("generate_quantiles_histogram", "generate_equi_width_histogram")
    before = {name: getattr(quantiles_util, name) for name in names}
    for name in names:
        setattr(quantiles_util, name, globals()[name])
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(quantiles_util, name, function)


def generate_quantiles_histogram(quantiles: np.ndarray, cumulative_counts: np.ndarray) -> statistics_pb2.Histogram:
    """Returns a bucket between each two boundaries, [boundaries]; `cumulative_counts` are the rows up to each."""
    return _write(statistics_pb2.Histogram.QUANTILES, _list_bins(quantiles, cumulative_counts))


def generate_equi_width_histogram(
    quantiles: np.ndarray,
    cumulative_counts: np.ndarray,
    finite_min: float,
    finite_max: float,
    num_buckets: int,
    num_pos_inf: float,
) -> statistics_pb2.Histogram:
    """Returns buckets of one width, whose rows are interpolated between quantiles; infinities have their own."""
    standard = statistics_pb2.Histogram.STANDARD
    if not np.isfinite(finite_min) and not np.isfinite(finite_max):
        return _write(standard, [(finite_min, finite_max, float(cumulative_counts[-1]))])
    quantiles, cumulative_counts, num_neg_inf = quantiles_util._strip_infinities(
        quantiles, cumulative_counts, finite_max, num_pos_inf
    )
    if finite_min == finite_max:
        bounds = [float(finite_min), float(finite_max)]
    else:
        edges = np.linspace(finite_min, finite_max, num_buckets + 1)
        if not np.isfinite(edges).all():
            return _write(standard, [])
        bounds = edges.tolist()
    found = [(float("-inf"), float("-inf"), num_neg_inf)] if num_neg_inf else []
    found += _merge(_list_bins(quantiles, cumulative_counts), bounds)
    found += [(float("inf"), float("inf"), num_pos_inf)] if num_pos_inf else []
    return _write(standard, found)


def _write(kind: statistics_pb2.Histogram.HistogramType, bins: list[_Bin]) -> statistics_pb2.Histogram:
    bucket = statistics_pb2.Histogram.Bucket
    return statistics_pb2.Histogram(
        type=kind, buckets=[bucket(low_value=low, high_value=high, sample_count=count) for low, high, count in bins]
    )


def _list_bins(quantiles: np.ndarray, cumulative_counts: np.ndarray) -> list[_Bin]:
    low, high, counts = quantiles_util._get_bin_weights(quantiles, cumulative_counts)
    return list(zip(low.tolist(), high.tolist(), counts.tolist(), strict=True))


def _merge(bins: list[_Bin], bounds: list[float]) -> list[_Bin]:
    """Returns the rows between each two bounds; those of a bin are taken to be spread evenly over it."""
    found = []
    start = 0
    for place in range(len(bounds) - 1):
        low, high = bounds[place], bounds[place + 1]
        rows = 0.0
        for index in range(start, len(bins)):
            bin_low, bin_high, count = bins[index]
            is_point_at_low = bin_high == bin_low == low
            if bin_high < low or (is_point_at_low and place > 0):
                start = index
                continue
            if bin_low > high:
                break
            if is_point_at_low or (low <= bin_low and high >= bin_high):
                rows += count
            else:
                rows += (min(high, bin_high) - max(low, bin_low)) / (bin_high - bin_low) * count
        found.append((low, high, rows))
    return found
