from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from hilir.analysis.drift import (
    ALPHA,
    Level,
    chi_square,
    compare,
    compare_feature,
    compare_shares,
    count_outside,
    count_window,
    divergence,
    smallest_shift,
)
from hilir.analysis.reference import summarize_categories, summarize_numbers

FEATURES = 20


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def number_levels(rng, draw, rows, repeats=200, reference=20_000):
    """Share of windows at each level or above: seen, warn, alarm."""
    known = summarize_numbers(draw.reference(rng, reference))
    found = []
    for _ in range(repeats):
        window = count_window(known, draw.window(rng, rows), rows, 0)
        found.append(compare_feature("x", known, window, ALPHA / FEATURES).level)
    return [float(np.mean([level >= wanted for level in found])) for wanted in (Level.SEEN, Level.WARN, Level.ALARM)]


class Normal:
    def __init__(self, shift=0.0, scale=1.0):
        self.shift, self.scale = shift, scale

    def reference(self, rng, rows):
        return rng.normal(size=rows)

    def window(self, rng, rows):
        return rng.normal(self.shift, self.scale, rows)


class Lognormal(Normal):
    def reference(self, rng, rows):
        return rng.lognormal(sigma=1.5, size=rows)

    window = reference


class Outlier(Normal):
    def window(self, rng, rows):
        return np.append(rng.normal(size=rows - 1), 1e6)


@pytest.mark.parametrize(
    ("draw", "rows", "seen", "warn", "alarm"),
    [
        (Normal(0.25), 1000, (0.97, 1.0), (0.0, 0.05), (0.0, 0.0)),
        (Normal(0.5), 1000, (1.0, 1.0), (0.99, 1.0), (0.0, 0.01)),
        (Normal(0.8), 1000, (1.0, 1.0), (1.0, 1.0), (0.55, 0.8)),
        (Normal(0.5), 200, (0.9, 1.0), (0.9, 1.0), (0.0, 0.05)),
        (Normal(1.0), 200, (1.0, 1.0), (1.0, 1.0), (0.95, 1.0)),
        (Normal(0.0, 1.25), 500, (0.6, 0.9), (0.0, 0.2), (0.0, 0.0)),
    ],
)
def test_which_shift_is_found_after_how_many_rows(rng, draw, rows, seen, warn, alarm):
    found = number_levels(rng, draw, rows)
    for share, (least, most) in zip(found, (seen, warn, alarm), strict=True):
        assert least <= share <= most, found


@pytest.mark.parametrize("draw", [Normal(), Lognormal(), Outlier()])
def test_clean_windows_do_not_warn_whatever_the_tail(rng, draw):
    assert number_levels(rng, draw, 500)[1] == 0


def test_at_most_two_of_a_hundred_clean_windows_of_twenty_features_warn(rng):
    known = {f"x{n}": summarize_numbers(rng.lognormal(size=20_000)) for n in range(FEATURES)}
    warned = 0
    for _ in range(100):
        windows = {name: count_window(each, rng.lognormal(size=500), 500, 0) for name, each in known.items()}
        warned += compare(known, windows)[0].level >= Level.WARN
    assert warned <= 2


@pytest.mark.parametrize(("shift", "bits"), [(0.1, 0.0017), (0.25, 0.0107), (0.5, 0.0421), (1.0, 0.1541)])
def test_the_divergence_of_known_shifts(shift, bits):
    inner = stats.norm.ppf(np.arange(0.1, 0.95, 0.1))
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    before = np.full(10, 100_000)
    now = np.round(np.diff(stats.norm.cdf(edges - shift)) * 1e6).astype(int)
    assert divergence(before, now) == pytest.approx(jensenshannon(before, now, base=2) ** 2, rel=1e-9)
    assert divergence(before, now) == pytest.approx(bits, abs=1e-3)


def test_nothing_in_common_is_one_bit_and_alike_is_nothing():
    assert divergence(np.array([5, 0]), np.array([0, 9])) == 1
    assert divergence(np.array([5, 10]), np.array([1, 2])) == 0
    assert divergence(np.array([0, 0]), np.array([1, 2])) == 0


def test_the_chi_square_test_is_that_of_scipy(rng):
    before, now = rng.integers(5, 90, 8), rng.integers(5, 90, 8)
    expected = stats.chi2_contingency([before, now], correction=False)
    assert chi_square(before, now) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)


@pytest.mark.parametrize(
    "table", [(10, 200, 3, 2000), (0, 50, 5, 60), (7, 7, 0, 9), (3, 10, 300, 1000), (500, 900, 1, 2)]
)
def test_shares_are_compared_by_fishers_exact_test(table):
    hits, rows, reference_hits, reference_rows = table
    expected = stats.fisher_exact([[hits, rows - hits], [reference_hits, reference_rows - reference_hits]])
    assert compare_shares(*table) == pytest.approx(expected.pvalue, rel=1e-6)


def test_values_that_go_missing_are_found_though_the_rest_is_alike(rng):
    known = summarize_numbers(rng.normal(size=20_000))
    found = []
    for _ in range(100):
        gone = rng.binomial(200, 0.05)
        window = count_window(known, rng.normal(size=200 - gone), 200, gone)
        drift = compare_feature("x", known, window, ALPHA / FEATURES)
        found.append(any(each.what == "missing" and each.level >= Level.SEEN for each in drift.differences))
    assert np.mean(found) >= 0.95
    few = count_window(known, rng.normal(size=190), 200, 10)
    first = compare_feature("x", known, few, ALPHA / FEATURES).differences[0]
    assert (first.what, first.level, first.detail) == ("missing", Level.WARN, "5.0%, was 0.0%")


def category(rng, shares, rows):
    return rng.choice([name for name, _ in shares], size=rows, p=[share for _, share in shares])


def test_a_lost_category_of_one_in_twenty_is_found_in_500_rows(rng):
    known = summarize_categories(category(rng, [("a", 0.6), ("b", 0.35), ("c", 0.05)], 20_000), 20_000, 0)
    window = count_window(known, category(rng, [("a", 0.63), ("b", 0.37)], 500), 500, 0)
    drift = compare_feature("x", known, window, ALPHA / FEATURES)
    (lost,) = (each for each in drift.differences if each.what == "lost")
    assert (lost.level, lost.detail) == (Level.WARN, "c")
    assert lost.p < 1e-8


def test_a_new_category_is_found_and_one_value_of_it_is_not(rng):
    known = summarize_categories(category(rng, [("a", 0.6), ("b", 0.4)], 5000), 5000, 0)
    many = count_window(known, category(rng, [("a", 0.5), ("b", 0.2), ("new", 0.3)], 500), 500, 0)
    drift = compare_feature("island", known, many, ALPHA)
    assert drift.level == Level.ALARM
    assert {each.what for each in drift.differences if each.level} == {"distribution", "new"}
    one = count_window(known, ["new", *category(rng, [("a", 0.6), ("b", 0.4)], 499)], 500, 0)
    assert compare_feature("island", known, one, ALPHA).level == Level.NONE


def zipf(kinds, exponent):
    shares = 1 / np.arange(1, kinds + 1) ** exponent
    return lambda rng, rows: rng.choice(kinds, rows, p=shares / shares.sum()).astype(str)


def tags(rng, rows):
    """Up to four of six tags in any order, joined: 517 values."""
    return [";".join(rng.permutation(list("abcdef"))[: rng.integers(0, 5)]) for _ in range(rows)]


def same_kind_and_many_of_one(rng, rows):
    return np.where(rng.random(rows) < 0.5, "usual", rng.integers(0, 400, rows).astype(str))


RARE = {
    "90 alike": zipf(90, 0),
    "300 alike": zipf(300, 0),
    "an id": zipf(100_000, 0),
    "words": zipf(1000, 1),
    "names": zipf(5000, 1.5),
    "combinations of tags": tags,
    "one frequent, many rare": same_kind_and_many_of_one,
}


@pytest.mark.parametrize(("reference", "rows"), [(60, 400), (800, 400), (1200, 1200), (20_000, 300), (800, 20_000)])
@pytest.mark.parametrize("kind", RARE)
def test_many_rare_categories_do_not_warn_by_themselves(rng, kind, reference, rows):
    if kind == "combinations of tags" and reference + rows > 5000:
        reference, rows = min(reference, 2000), min(rows, 2000)
    levels = []
    for _ in range(50):
        known = summarize_categories([str(value) for value in RARE[kind](rng, reference)], reference, 0)
        window = count_window(known, RARE[kind](rng, rows), rows, 0)
        levels.append(compare_feature("x", known, window, ALPHA / FEATURES).level)
    assert sum(level >= Level.SEEN for level in levels) <= 1


def test_a_new_value_among_many_rare_ones_is_found_and_a_frequent_one_that_is_lost(rng):
    known = summarize_categories(RARE["words"](rng, 2000).tolist(), 2000, 0)
    words = RARE["words"](rng, 1000)
    new = count_window(known, np.where(rng.random(1000) < 0.3, "new", words), 1000, 0)
    drift = compare_feature("x", known, new, ALPHA / FEATURES)
    assert {each.what for each in drift.differences if each.level >= Level.WARN} >= {"new"}
    # The most frequent of the words is 13 % of them.
    without = count_window(known, words[words != "0"], int(np.sum(words != "0")), 0)
    drift = compare_feature("x", known, without, ALPHA / FEATURES)
    (lost,) = (each for each in drift.differences if each.what == "lost")
    assert (lost.level, lost.detail) == (Level.WARN, "0")


def test_a_small_window_decides_nothing(rng):
    known = summarize_numbers(rng.normal(size=2000))
    assert compare_feature("x", known, count_window(known, rng.normal(9, 1, 199), 199, 0), ALPHA).differences == ()


def test_the_worst_feature_is_first_and_only_shared_ones_are_compared(rng):
    known = {name: summarize_numbers(rng.normal(size=5000)) for name in ("same", "moved", "gone")}
    windows = {
        "same": count_window(known["same"], rng.normal(size=500), 500, 0),
        "moved": count_window(known["moved"], rng.normal(2, 1, 500), 500, 0),
    }
    assert [drift.feature for drift in compare(known, windows)] == ["moved", "same"]


def test_a_window_in_other_bins_is_refused(rng):
    one, other = (summarize_numbers(rng.normal(size=500)) for _ in range(2))
    with pytest.raises(ValueError, match="not counted in the bins"):
        compare_feature("x", one, other, ALPHA)


def test_the_smallest_shift_that_a_window_finds():
    assert smallest_shift(1000, 20_000, 20) == pytest.approx(0.19, abs=0.01)
    assert smallest_shift(200, 20_000, 20) == pytest.approx(0.41, abs=0.01)


def test_numbers_far_outside_are_counted():
    known = summarize_numbers([0.0, 10.0])
    assert count_outside(known, [-31, -29, 5, 39, 41, float("inf")]) == 3


def test_values_of_one_row_count_as_one_draw(rng):
    """Images are brighter or darker as a whole: chance alone moves 64 values of a row together."""

    def images(rows):
        return rng.normal(size=(rows, 1)) + rng.normal(scale=0.3, size=(rows, 64))

    known = summarize_numbers(images(2000), rows=2000, missing=0)
    levels = []
    for _ in range(200):
        window = count_window(known, images(500), 500, 0)
        levels.append(compare_feature("image", known, window, ALPHA / FEATURES).level)
    assert sum(level > Level.NONE for level in levels) <= 1
    brighter = count_window(known, images(500) + 0.6, 500, 0)
    assert compare_feature("image", known, brighter, ALPHA / FEATURES).level >= Level.WARN
