"""Gates on counters: how often good versions are stopped, and how soon bad ones."""

import numpy as np
import pytest

from hilir.serving.releases.rollout_plan import Counts, Rollout
from hilir.serving.rollout.evidence import Evidence, take_baseline
from hilir.serving.rollout.gates import Decision, decide, judge_counters, judge_latency


def rollout(percent: float, **more) -> Rollout:
    return Rollout(version=2, steps=(percent, 100.0), hold_seconds=60, **more)


def counted(stable: tuple[int, int], candidate: tuple[int, int], gateway: str = "g", arm: str = "candidate"):
    """A gateway's counters: requests and errors of each arm."""
    arms = {(1, "stable"): stable, (2, arm): candidate}
    return {gateway: {key: Counts(requests=n, errors=errors) for key, (n, errors) in arms.items()}}


def simulate(percent: float, per_look: int, looks: int, rates: tuple[float, float], seed: int) -> tuple[bool, int]:
    """Whether a version is stopped in `looks` looks, and the candidate's errors until then."""
    chance = np.random.default_rng(seed)
    totals = np.zeros(4, int)
    evidence = Evidence(rollout(percent), stable=1)
    evidence.update(counted((0, 0), (0, 0)))
    for _ in range(looks):
        ours = chance.binomial(per_look, percent / 100)
        theirs = per_look - ours
        totals += [theirs, chance.binomial(theirs, rates[0]), ours, chance.binomial(ours, rates[1])]
        evidence.update(counted(tuple(totals[:2]), tuple(totals[2:])))
        if evidence.e_value >= 100:
            return True, int(totals[3])
    return False, int(totals[3])


@pytest.mark.parametrize(("percent", "per_look"), [(1, 200), (5, 30), (50, 5)])
def test_at_most_one_good_version_in_a_hundred_is_stopped_however_often_one_looks(percent, per_look):
    stopped = sum(simulate(percent, per_look, 100, (0.05, 0.05), seed)[0] for seed in range(200))
    # 1 % of 200 and three standard deviations.
    assert stopped <= 6


@pytest.mark.parametrize(("percent", "ratio", "most"), [(5, 10, 14), (25, 5, 16), (50, 3, 40)])
def test_a_bad_version_is_stopped_after_few_errors_of_its_own(percent, ratio, most):
    found = [simulate(percent, 50, 4000, (0.01, 0.01 * ratio), seed) for seed in range(9)]
    assert all(stopped for stopped, _ in found)
    assert np.median([errors for _, errors in found]) <= most


def test_evidence_of_earlier_steps_counts_and_survives_in_the_state():
    first = Evidence(rollout(25), 1)
    first.update(counted((0, 0), (0, 0)))
    first.update(counted((750, 2), (250, 6)))
    logs, e_value = first.close(), first.e_value
    stored = rollout(25, evidence=logs, baseline=take_baseline(counted((750, 2), (250, 6)), rollout(25), 1))
    second = Evidence(Rollout.model_validate_json(stored.model_dump_json()), 1)
    assert second.e_value == pytest.approx(e_value)
    second.update(counted((1500, 4), (500, 12)))
    assert second.e_value > 5 * e_value
    assert second.step["candidate"] == Counts(requests=250, errors=6)


def test_gateways_add_up_and_one_that_starts_anew_or_appears_adds_nothing_wrong():
    evidence = Evidence(rollout(50), 1)
    evidence.update(counted((100, 1), (100, 1), "a"))
    evidence.update(counted((150, 1), (150, 2), "a") | counted((900, 90), (900, 90), "b"))
    assert evidence.step["candidate"] == Counts(requests=50, errors=1)
    evidence.update(counted((5, 0), (7, 0), "a") | counted((910, 90), (920, 91), "b"))
    assert evidence.step["candidate"] == Counts(requests=50 + 7 + 20, errors=2)
    evidence.update({})
    assert evidence.step["stable"].requests == 50 + 5 + 10


def test_copies_stand_for_the_candidate_before_it_has_users():
    shadow = Rollout(version=2, steps=(0.0, 5.0), shadow=50.0, hold_seconds=60)
    evidence = Evidence(shadow, 1)
    evidence.update(counted((0, 0), (0, 0), arm="shadow"))
    evidence.update(counted((100, 0), (50, 20), arm="shadow"))
    assert decide(judge_counters(shadow, evidence)) is Decision.ROLL_BACK


def latencies(seed: int, n: int, factor: float = 1.0) -> Counts:
    values = np.random.default_rng(seed).lognormal(np.log(5.0 * factor), 0.4, n)
    edges = 0.5 * 1.15 ** np.ceil(np.log(values / 0.5) / np.log(1.15))
    found, numbers = np.unique(np.round(edges, 6), return_counts=True)
    return Counts(requests=n, latency=dict(zip(found.tolist(), numbers.tolist(), strict=True)))


def test_a_slow_version_is_rolled_back_and_one_that_is_not_goes_on():
    stable = latencies(1, 5000)
    assert judge_latency(stable, latencies(2, 3000), 1.5, 0.002).decision is Decision.CONTINUE
    slow = judge_latency(stable, latencies(2, 3000, 4.0), 1.5, 0.002)
    assert slow.decision is Decision.ROLL_BACK
    assert "certainly above" in slow.fact
    few = judge_latency(stable, latencies(3, 60, 2.5), 1.5, 0.002)
    assert (few.decision, "not certain yet" in few.fact) == (Decision.WAIT, True)
    assert judge_latency(Counts(), latencies(1, 10), 1.5, 0.002).decision is Decision.WAIT
    wrong = sum(
        judge_latency(latencies(2 * seed, 2000), latencies(2 * seed + 1, 400), 1.5, 0.01).decision is Decision.ROLL_BACK
        for seed in range(20)
    )
    assert wrong == 0


def test_a_step_needs_enough_requests():
    wanted = rollout(50)
    evidence = Evidence(wanted, 1)
    verdicts = judge_counters(wanted, evidence)
    assert decide(verdicts) is Decision.WAIT
    assert str(verdicts[0]) == "requests: 0 of the candidate in this step, at least 100 are needed"
