"""Golden numbers: confseq's and GrowthBook's tests, R's power.prop.test, and published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hilir.serving.experiment.statistics import bernoulli, boundaries, estimates, quantiles, several_metrics, size
from hilir.serving.experiment.statistics.error_share import ErrorShare, smallest_multiple
from hilir.serving.experiment.statistics.estimates import Arm, RatioArm
from hilir.serving.experiment.statistics.ratio_mismatch import RatioTest


def test_the_normal_mixture():
    assert boundaries.best_rho(100, 0.05) == pytest.approx(12.60056, abs=1e-5)
    assert boundaries.normal_bound(100, 100, 0.05) == pytest.approx(30.35209, abs=1e-5)


@pytest.mark.parametrize(
    ("n", "alpha", "width"),
    [(1000, 0.05, 3.035), (1000, 0.01, 3.572), (1000, 0.1, 2.764), (100, 0.05, 3.855), (250, 0.05, 3.26),
     (500, 0.05, 3.08), (2000, 0.05, 3.06), (4000, 0.05, 3.13), (10_000, 0.05, 3.24)],
)  # fmt: skip
def test_the_width_in_standard_errors_at_looks_of_a_plan_of_1000(n, alpha, width):
    found = boundaries.look(0.0, 1.0, n, 1000, alpha)
    assert found.high == pytest.approx(width, abs=0.006)
    assert found.low == -found.high


def test_the_beta_binomial_mixture():
    rho = boundaries.best_rho(100, 0.05)
    assert bernoulli.log_mixture(10, 100, 0.2, 0.8, rho) == pytest.approx(-0.6941012, abs=1e-7)
    assert bernoulli.mixture_bound(100, 100, 0.2, 0.8, 0.05) == pytest.approx(31.4308, abs=1e-4)


@pytest.mark.parametrize(
    ("successes", "n", "planned", "low", "high"),
    [(700, 1000, 100, 0.651629, 0.745949), (15, 50, 50, 0.129556, 0.511896), (5, 50, 50, 0.013021, 0.269264)],
)
def test_the_exact_sequence_of_a_share(successes, n, planned, low, high):
    assert bernoulli.share_interval(successes, n, planned) == pytest.approx((low, high), abs=2e-6)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (0, 20), (20, 20), (0, 1)])
def test_the_sequence_of_a_share_at_its_ends(successes, n):
    low, high = bernoulli.share_interval(successes, n, 50)
    assert 0 <= low <= (successes / n if n else 1) <= high <= 1
    assert (low == 0) == (successes == 0 or n <= 1)


@pytest.mark.parametrize(
    ("p", "n", "low", "high"),
    [(0.5, 200, 0.393, 0.607), (0.5, 1000, 0.452, 0.548), (0.5, 10_000, 0.485, 0.515), (0.9, 1000, 0.870, 0.927),
     (0.9, 10_000, 0.891, 0.909), (0.99, 200, 0.959, 1), (0.99, 1000, 0.9786, 0.9976), (0.99, 10_000, 0.9868, 0.9928)],
)  # fmt: skip
def test_the_levels_of_a_quantile(p, n, low, high):
    assert quantiles.quantile_levels(p, n, n) == pytest.approx((low, high), abs=6e-4)


@pytest.mark.parametrize(
    ("p", "shift", "expected"), [(0.5, 85, 0.0838055), (0.5, 100, 0.0054947), (0.9, 55, 0.0340463)]
)
def test_two_quantiles(p, shift, expected):
    values = np.arange(1, 1001.0)
    assert quantiles.compare_quantiles(values, values + shift, p, 100) == pytest.approx(expected, abs=1e-7)


def test_the_interval_of_a_quantile_holds_and_is_infinite_where_values_are_few():
    values = np.random.default_rng(1).exponential(size=2000)
    low, high = quantiles.quantile_interval(values, 0.9, 2000)
    assert low < math.log(10) < high < 3
    assert quantiles.quantile_interval(values[:3], 0.99, 2000)[1] == math.inf


def relative(stable: tuple[float, float, int], candidate: tuple[float, float, int]) -> estimates.Estimate:
    (a, var_a, n_a), (b, var_b, n_b) = stable, candidate
    return estimates.compare_relative((a, var_a), (b, var_b), n_a, n_b)


def share(successes: int, n: int) -> tuple[float, float, int]:
    return successes / n, successes / n * (1 - successes / n), n


def moments(total: float, squares: float, n: int) -> tuple[float, float, int]:
    arm = Arm(n, total, squares)
    return arm.mean, arm.variance, n


@pytest.mark.parametrize(
    ("stable", "candidate", "planned", "expected"),
    [
        (moments(1396.87, 52377.9767, 3000), moments(2422.7, 134698.29, 3461), 1000, (0.50336, -0.55844, 1.56516)),
        (share(1396, 3000), share(2422, 3461), 5000, (0.50386, 0.40098, 0.60675)),
        (share(1450, 3050), share(2600, 3500), 5000, (0.56256, 0.46064, 0.66448)),
        (moments(1400, 52000, 3000), moments(2500, 135000, 3500), 1000, (0.53061, -0.53230, 1.59353)),
    ],
)
def test_the_relative_sequences_of_growthbook_and_posthog(stable, candidate, planned, expected):
    found = relative(stable, candidate)
    sequence = boundaries.look(found.value, found.error, found.n, planned)
    assert (found.value, sequence.low, sequence.high) == pytest.approx(expected, abs=6e-6)


def test_p_is_one_without_evidence_and_tiny_with_much():
    nothing = relative(moments(1396.87, 52377.9767, 3000), moments(2422.7, 134698.29, 3461))
    much = relative(share(1396, 3000), share(2422, 3461))
    assert boundaries.look(nothing.value, nothing.error, nothing.n, 1000).p == 1
    assert boundaries.look(much.value, much.error, much.n, 5000).p == pytest.approx(5e-44, rel=0.05)


def test_a_ratio_of_sums_by_the_delta_method():
    treated = RatioArm(2034, 99673.9364269569, 11298745.182728939, 947, 947, 99673.9364269569)
    control = RatioArm(1966, 94605.79858780127, 10463129.505392816, 936, 936, 94605.79858780127)
    (a, var_a), (b, var_b) = estimates.ratio_moments(control), estimates.ratio_moments(treated)
    found = estimates.compare_relative((a, var_a), (b, var_b), control.n, treated.n)
    low, high = found.value - 1.9605 * found.error, found.value + 1.9605 * found.error
    assert (found.value, low, high) == pytest.approx((0.041333, 0.013786, 0.06888), abs=5e-6)


def test_the_variance_of_a_ratio_is_that_of_many_draws():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        requests = rng.poisson(5, [2, 500]) + 1.0
        clicks = rng.binomial(requests.astype(int), rng.beta(2, 8, [2, 500]))
        arms = [estimates.sum_ratio(clicks[arm].astype(float), requests[arm]) for arm in (0, 1)]
        found.append(estimates.compare_ratios(*arms))
    z = np.array([each.value / each.error for each in found])
    assert z.std() == pytest.approx(1, abs=0.1)


def test_a_covariate_takes_away_what_it_explains():
    rng = np.random.default_rng(5)
    before = [rng.normal(10, 3, 4000), rng.normal(10, 3, 4000)]
    values = [before[0] + rng.normal(0, 1, 4000), before[1] + rng.normal(0.2, 1, 4000)]
    before[0][:400] = np.nan
    adjusted = estimates.adjust(values, before)
    plain = estimates.compare_means(*map(estimates.sum_values, values))
    sharper = estimates.compare_means(*map(estimates.sum_values, adjusted))
    assert sharper.error < 0.6 * plain.error
    assert abs(sharper.value - 0.2) < 4 * sharper.error
    constant = estimates.adjust(values, [np.zeros(4000), np.zeros(4000)])
    assert constant is values


def test_small_shares_decide_nothing_before_five_of_each():
    assert not estimates.may_decide(Arm(100, 4, 4), Arm(100, 50, 50))
    assert not estimates.may_decide(Arm(100, 50, 50), Arm(100, 96, 96))
    assert estimates.may_decide(Arm(100, 5, 5), Arm(100, 95, 95))


@pytest.mark.parametrize("arms", [(Arm(0, 0, 0), Arm(5, 1, 1)), (Arm(9, 0, 0), Arm(9, 0, 0))])
def test_without_data_nothing_is_said(arms):
    found = estimates.compare_proportions(*arms)
    sequence = boundaries.look(found.value, found.error, found.n, 100)
    assert (sequence.low, sequence.high, sequence.p) == (-math.inf, math.inf, 1.0)


@pytest.mark.parametrize(
    ("counts", "p"), [((500, 500), 1), ((500, 600), 0.6715), ((9800, 10_200), 0.1203), ((100, 900), 2.4e-13)]
)
def test_the_ratio_test(counts, p):
    assert RatioTest().add(counts, (1, 1)) == pytest.approx(p, rel=0.02)


def test_the_ratio_test_adds_up_over_looks_and_shares():
    at_once, in_parts = RatioTest(), RatioTest()
    at_once.add((480, 620), (0.5, 0.5))
    for _ in range(20):
        in_parts.add((24, 31), (0.5, 0.5))
    assert in_parts.log_factor == pytest.approx(at_once.log_factor)
    ramp = RatioTest()
    for share_of_candidate in (0.05, 0.25, 0.5):
        shares = (1 - share_of_candidate, share_of_candidate)
        ramp.add([round(10_000 * each) for each in shares], shares)
    assert ramp.p == 1


def test_a_published_mismatch():
    # Kohavi, Tang, Xu, "Trustworthy Online Controlled Experiments", chapter 21.
    assert RatioTest().add((821_588, 815_482), (1, 1)) < 0.001


def test_mismatch_is_found_and_alarms_are_few():
    rng = np.random.default_rng(11)
    alarms, found = 0, 0
    for _ in range(2000):
        even, odd = RatioTest(), RatioTest()
        first, second = rng.binomial(1000, 0.5, 30), rng.binomial(1000, 0.52, 30)
        for a, b in zip(first, second, strict=True):
            even.add((1000 - a, a), (1, 1))
            odd.add((1000 - b, b), (1, 1))
        alarms += even.p < 0.001
        found += odd.p < 0.001
    assert alarms <= 3
    # 48/52 where 50/50 was planned: 95 % after 30,000 users.
    assert found >= 0.95 * 2000


@pytest.mark.parametrize(
    ("share_of_candidate", "candidate", "stable", "value"),
    [(0.05, 3, 7, 10.7018), (0.05, 5, 15, 32.6586), (0.5, 20, 10, 2.6391)],
)
def test_the_arm_in_which_errors_fall(share_of_candidate, candidate, stable, value):
    assert ErrorShare().add(candidate, stable, share_of_candidate) == pytest.approx(value, abs=1e-4)


def test_a_rollout_of_a_good_version_stops_at_most_once_in_a_hundred():
    rng = np.random.default_rng(13)
    stops = 0
    for _ in range(1000):
        gate = ErrorShare()
        stops += any(
            gate.add(int(new), 20 - int(new), part) >= 100
            for part in (0.01, 0.05, 0.25, 0.5) for new in rng.binomial(20, part, 5)
        )  # fmt: skip
    assert stops <= 10


def test_what_a_step_can_see():
    assert smallest_multiple(1000, 0.5) <= 1.5
    assert smallest_multiple(40, 0.01) > 10
    assert smallest_multiple(0, 0.01) == math.inf
    with pytest.raises(ValueError, match="must be between 0 and 1"):
        ErrorShare().add(1, 1, 0)


def test_holms_correction():
    assert several_metrics.adjust_p({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )
    assert several_metrics.adjust_p({"a": 0.5, "b": 0.9}) == {"a": 1.0, "b": 1.0}


def test_the_size_of_a_test_is_that_of_r():
    assert size.fixed_proportion(0.5, 0.25, power=0.9) / 2 == pytest.approx(76.7, abs=0.05)
    assert size.fixed_proportion(0.1, 0.02) / 2 == pytest.approx(3840.85, abs=0.05)
    assert size.fixed_mean(1.0, 0.1) / 2 == pytest.approx(1569.8, abs=0.1)
    assert size.sequential_size(7681.7) == 13_443
    with pytest.raises(ValueError, match="between 0 and 1"):
        size.fixed_proportion(0.9, 0.2)
