"""2,000 simulated experiments with a look every 100 users: false positives and power."""

from __future__ import annotations

import numpy as np
import pytest

from hilir.serving.experiment.statistics.size import fixed_proportion, sequential_size
from tests.unit.serving.experiment.simulation import stopped_by

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
