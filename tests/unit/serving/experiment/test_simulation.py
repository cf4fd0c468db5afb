"""2,000 simulated experiments with a look every 100 users: false positives and power."""

from __future__ import annotations

import numpy as np
import pytest

from hilir.serving.experiment.statistics.size import fixed_mean, fixed_proportion, sequential_size
from tests.unit.serving.experiment.simulation import find_difference_of_means, stopped_by

EFFECTS = {0.5: 0.04, 0.1: 0.02, 0.02: 0.006}


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("base", EFFECTS)
def test_at_most_five_in_a_hundred_are_false_up_to_three_times_the_size(base, share):
    planned = sequential_size(fixed_proportion(base, EFFECTS[base], share), share)
    rng = np.random.default_rng(17)
    stopped = stopped_by(rng, base, base, share=share, planned=planned, users=3 * planned)
    assert np.isfinite(stopped).mean() <= 0.05


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("sign", [1, -1], ids=["rise", "decline"])
@pytest.mark.parametrize("base", EFFECTS)
def test_the_planned_effect_is_found_at_the_planned_size(base, sign, share):
    effect = EFFECTS[base] * sign
    # A decline to the base, or a rise from it.
    start = base if sign > 0 else base + EFFECTS[base]
    planned = sequential_size(fixed_proportion(start, effect, share), share)
    rng = np.random.default_rng(19)
    stopped = stopped_by(rng, start, start + effect, share=share, planned=planned, users=planned)
    assert np.isfinite(stopped).mean() >= 0.78
    assert np.median(stopped) <= 0.6 * planned


def _spend(rng: np.random.Generator, buyers: float, mean: float):
    """What people spend: most of them nothing."""
    return lambda count: rng.exponential(mean, count) * (rng.random(count) < buyers)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.05])
@pytest.mark.parametrize(
    ("stable", "candidate"), [((0.1, 1.0), (0.1, 1.0)), ((0.1, 1.0), (0.2, 0.5)), ((0.2, 0.5), (0.1, 1.0))]
)
def test_means_of_skewed_values_are_rarely_told_apart_where_they_are_the_same(share, stable, candidate):
    rng, planned, experiments = np.random.default_rng(23), 2000, 400
    found = [
        find_difference_of_means(
            _spend(rng, *stable), _spend(rng, *candidate), rng.random(3 * planned) < share, planned
        )
        for _ in range(experiments)
    ]
    assert np.mean(found) <= 0.05


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_difference_of_means_is_found_at_the_planned_size(share):
    """Deviation 1, effect 0.1; at 90/10 with the larger factor for unequal shares."""
    rng = np.random.default_rng(29)
    planned = sequential_size(fixed_mean(1.0, 0.1, share), share)
    found = [
        find_difference_of_means(
            rng.standard_normal, lambda count: rng.standard_normal(count) + 0.1, rng.random(planned) < share, planned
        )
        for _ in range(400)
    ]
    # 80 % less two standard errors of 400 experiments.
    assert np.mean(found) >= 0.76
