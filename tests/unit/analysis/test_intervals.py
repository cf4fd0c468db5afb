"""Intervals of metrics, against published values and against simulation."""

import numpy as np
import pytest

from hilir.analysis.intervals import auc_interval, share_interval


@pytest.mark.parametrize(
    ("share", "rows", "expected"),
    # Newcombe 1998, Statistics in Medicine 17: 857, table I, the score method without continuity correction.
    [
        (81 / 263, 263, (0.2553, 0.3662)),
        (15 / 148, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1 / 29, 29, (0.0061, 0.1718)),
    ],
)
def test_a_share_has_the_interval_of_the_literature(share, rows, expected):
    assert share_interval(share, rows) == pytest.approx(expected, abs=5e-5)


def test_an_auc_has_its_standard_error():
    # Two exponential distributions, for which the formula is exact: AUC = r / (1 + r).
    low, high = auc_interval(0.75, 200, 400)
    random = np.random.default_rng(1)
    areas = []
    for _ in range(2000):
        positives, negatives = random.exponential(3, 200), np.sort(random.exponential(1, 400))
        areas.append(np.searchsorted(negatives, positives).sum() / (200 * 400))
    assert np.mean(areas) == pytest.approx(0.75, abs=0.002)
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(areas), rel=0.05)


def test_without_rows_there_is_no_interval():
    assert share_interval(0.5, 0) == (0.5, 0.5)
    assert share_interval(float("nan"), 10)[0] != share_interval(float("nan"), 10)[0]
    assert auc_interval(0.7, 0, 10) == (0.7, 0.7)
    assert auc_interval(1.0, 5, 5) == (1.0, 1.0)
