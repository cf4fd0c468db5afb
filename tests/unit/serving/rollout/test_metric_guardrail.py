"""Guardrails on metrics of users: epochs are pooled, good versions stay, bad ones go."""

import json
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from hilir.serving.errors import ServingConfigError
from hilir.serving.experiment.experiment_metrics import parse_metric
from hilir.serving.experiment.readings import Values, read_metric
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.outcome_records import Outcome
from hilir.serving.release import transitions as t
from hilir.serving.releases.rollout_plan import Gates, Rollout
from hilir.serving.releases.split import bucket_of, hash_key
from hilir.serving.rollout.gates import ALPHA, Decision
from hilir.serving.rollout.metric_guardrail import MetricGuardrail, Pooled, judge_pooled, pool
from tests.unit.serving.release.test_transitions import new, promoted, ready

SHARES = (0.05, 0.25, 0.5)
MEAN = parse_metric("mean:spent")


def simulate(seed: int, effect: float, drift: float = 0.0, users: int = 1000) -> Decision:
    """Three steps of users, whose values drift from step to step, with a look after each."""
    chance = np.random.default_rng(seed)
    readings, decision = [], Decision.CONTINUE
    for number, share in enumerate(SHARES):
        candidate = chance.random(users) < share
        value = chance.normal(drift * number, 1.0, users) + effect * candidate
        readings.append(read_metric(MEAN, Values(value), candidate, 2000, share, 2 * ALPHA))
        decision = max(decision, judge_pooled("g", MEAN, pool(readings)).decision)
    return decision


def test_users_of_unlike_days_do_not_make_a_difference_where_there_is_none():
    """The value rises from step to step as the share does: together the arms would differ by half a deviation."""
    stopped = sum(simulate(seed, 0.0, drift=1.0) is Decision.ROLL_BACK for seed in range(300))
    assert stopped <= 300 * ALPHA + 5


def test_a_fall_is_found_and_a_rise_is_not_held_against_it():
    assert sum(simulate(seed, -0.4) is Decision.ROLL_BACK for seed in range(30)) >= 28
    assert all(simulate(seed, 0.4) is not Decision.ROLL_BACK for seed in range(30))


def test_a_margin_is_how_much_worse_it_may_be():
    found = Pooled(difference=-0.3, error=0.05, users=2000)
    assert judge_pooled("g", parse_metric("mean:spent:margin=0.5"), found).decision is Decision.CONTINUE
    assert judge_pooled("g", parse_metric("mean:spent:margin=0.1"), found).decision is Decision.ROLL_BACK
    assert judge_pooled("g", MEAN, pool([])).decision is Decision.WAIT


@pytest.fixture
def place(tmp_path):
    """A rollout at 50 % whose users are in an access log and whose outcomes are stored: (state, plan, write, gate)."""
    state = t.stage(ready(promoted(new(), 1), 2), 2)
    begin = time.time() - 3600
    at = datetime.fromtimestamp(begin, UTC).isoformat(timespec="milliseconds")
    plan = Rollout(version=2, steps=(50.0, 100.0), hold_seconds=1, gates=Gates(window_seconds=60.0))
    state = t.record(t.follow(state, plan), "rollout", 2, at, "")
    path = tmp_path / "access.log"

    def write(users: int, value) -> None:
        lines, outcomes = [], []
        for number in range(users):
            key, moment = f"user-{number}", begin + 1 + number / users
            label = "candidate" if bucket_of("m-2", key) < 5000 else "stable"
            entry = {
                "time": f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
                "request_id": f"r-{number}", "path": "/v1/models/m:predict", "model": "m", "label": label,
                "version": "2", "user": f"{hash_key('m-2', key):08x}", "status": 200, "latency_ms": 1,
            }  # fmt: skip
            lines.append(json.dumps(entry))
            outcomes.append(Outcome("", 0, key, "spent", "", value(number, label), moment + 5, True, moment + 6))
        path.write_text("\n".join(lines) + "\n")
        store = open_store(str(tmp_path / "outcomes.sqlite"))
        store.write(outcomes)
        store.close()

    return state, plan, write, lambda text: MetricGuardrail(text, str(path), str(tmp_path / "outcomes.sqlite"))


def test_outcomes_of_the_users_of_a_rollout_are_found_by_the_releases_own_hash(place):
    state, plan, write, gate = place
    chance = np.random.default_rng(1)
    write(400, lambda _, label: float(chance.normal(9.0 if label == "candidate" else 10.0, 1.0)))
    verdict = gate("mean:spent").judge(state, plan, over=True)
    assert verdict.decision is Decision.ROLL_BACK, verdict
    assert "(400 users), may be worse by 0" in verdict.fact
    assert gate("mean:spent:margin=2").judge(state, plan, over=True).decision is Decision.CONTINUE


def test_it_waits_for_users_whose_window_has_closed(place):
    state, plan, write, gate = place
    write(60, lambda _number, _label: 1.0)
    verdict = gate("mean:spent").judge(state, plan, over=True)
    assert (verdict.decision, "each needs 50" in verdict.fact) == (Decision.WAIT, True)


def test_a_quantile_is_refused():
    with pytest.raises(ServingConfigError, match="quantiles of different steps cannot be pooled"):
        MetricGuardrail("quantile:latency_ms:q=0.9", "log", "outcomes")
