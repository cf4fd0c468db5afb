"""The histograms are those of TFDV, bit for bit."""

import numpy as np
import pytest
from tensorflow_data_validation.utils import quantiles_util as tfdv

from hilir.components.statistics import histograms

RANDOM = np.random.default_rng(5)
COLUMNS = {
    "normal": RANDOM.normal(size=1000),
    "whole": RANDOM.integers(0, 7, 1000).astype(float),
    "constant": np.full(50, 3.25),
    "one": np.array([1e300]),
    "two": np.array([0.0, 1.0]),
    "tails": np.exp(RANDOM.normal(size=500) * 20),
    "huge": np.array([-1.7e308, 0.0, 1.7e308]),
    "negative": -RANDOM.exponential(size=300),
    "minus infinity": np.r_[RANDOM.normal(size=200), [-np.inf] * 30],
    "infinity": np.r_[RANDOM.normal(size=200), [np.inf] * 30],
    "both": np.r_[RANDOM.normal(size=200), [np.inf, -np.inf]],
    "mostly zero": np.r_[np.zeros(900), RANDOM.normal(size=100)],
    "tiny": RANDOM.normal(size=100) * 5e-324,
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_same_numbers(name, weighted):
    values = np.sort(COLUMNS[name])
    weights = RANDOM.uniform(0.1, 3, len(values)) if weighted else np.ones(len(values))
    places = np.linspace(0, len(values) - 1, 101).round().astype(int)
    quantiles, counts = values[places], np.cumsum(weights)[places]
    finite = values[np.isfinite(values)]
    found = [
        [
            module.generate_quantiles_histogram(quantiles, counts),
            module.generate_equi_width_histogram(
                quantiles, counts, finite.min(), finite.max(), 10, weights[values == np.inf].sum()
            ),
        ]
        for module in (tfdv, histograms)
    ]
    assert found[0][0].buckets
    assert [each.SerializeToString() for each in found[0]] == [each.SerializeToString() for each in found[1]]


def test_no_finite_value():
    nothing = np.array([np.nan, np.nan]), np.array([1.0, 4.0]), np.inf, -np.inf, 10, 0.0
    found = histograms.generate_equi_width_histogram(*nothing)
    assert found == tfdv.generate_equi_width_histogram(*nothing)
    assert found.buckets[0].sample_count == 4


def test_tfdv_has_its_own_ones_again():
    before = tfdv.generate_quantiles_histogram
    with pytest.raises(RuntimeError, match="stopped"), histograms.own_histograms():
        assert tfdv.generate_quantiles_histogram is histograms.generate_quantiles_histogram
        raise RuntimeError("stopped")
    assert tfdv.generate_quantiles_histogram is before is not histograms.generate_quantiles_histogram
