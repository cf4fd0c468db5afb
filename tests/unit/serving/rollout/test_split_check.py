"""The split of users, step by step, from the gateway's access log."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from hilir.serving.release import transitions as t
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.rollout.gates import Decision, Paced, Verdict
from hilir.serving.rollout.split_check import SplitCheck, find_epochs, seek_time
from tests.unit.serving.release.test_transitions import new, promoted, ready

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def rolled_out(*percents: float):
    """A state whose rollout has had these steps, an hour each."""
    state = t.stage(ready(promoted(new(), 1), 2), 2)
    plan = Rollout(version=2, steps=(*percents, 100.0), hold_seconds=1)
    for step in range(len(percents)):
        plan = plan.model_copy(update={"step": step})
        at = (BEGIN + timedelta(hours=step)).isoformat(timespec="milliseconds")
        state = t.record(t.follow(state, plan), "rollout", 2, at, "")
    return state, plan


@pytest.fixture
def log(tmp_path):
    """Writes requests of an hour: users by number, each with its bucket, and a share for the candidate."""
    path = tmp_path / "access.log"
    path.touch()

    def write(hour: int, users, buckets, share: float):
        with path.open("a") as file:
            for user in users:
                at = BEGIN + timedelta(hours=hour, minutes=1)
                label = "candidate" if buckets[user] < share else "stable"
                entry = {"time": f"{at:%Y-%m-%dT%H:%M:%S}.000Z", "model": "m", "user": f"{user:08x}", "label": label}
                file.write(json.dumps(entry, separators=(",", ":")) + "\n")

    write.path = path
    return write


def test_each_step_is_tested_with_its_own_share_and_its_new_users(log):
    buckets = np.random.default_rng(1).random(6000)
    log(0, range(3000), buckets, 0.1)
    log(1, range(1500, 6000), buckets, 0.5)
    state, plan = rolled_out(10.0, 50.0)
    verdict = SplitCheck(log.path).judge(state, plan, over=True)
    assert verdict.decision is Decision.CONTINUE
    assert " of 3,000 new users at 50 %" in verdict.fact
    assert SplitCheck(log.path).judge(state, plan, over=False) is None


def test_a_split_that_is_not_the_planned_one_withholds_the_decision(log):
    buckets = np.random.default_rng(1).random(6000)
    log(0, range(3000), buckets, 0.1)
    log(1, range(3000, 6000), buckets, 0.4)
    state, plan = rolled_out(10.0, 50.0)
    verdict = SplitCheck(log.path).judge(state, plan, over=True)
    assert (verdict.decision, "users are not divided as planned" in verdict.fact) == (Decision.WAIT, True)


def test_only_the_present_rollout_counts_and_what_is_no_user_does_not(log):
    state, plan = rolled_out(10.0, 50.0)
    again = t.record(
        t.follow(state, plan.model_copy(update={"step": 0})), "rollout", 2, "2026-01-02T00:00:00+00:00", ""
    )
    assert find_epochs(again, plan) == [("2026-01-02T00:00:00+00:00", 10.0)]
    with log.path.open("a") as file:
        file.write('{"time":"2026-01-01T00:01:00.000Z","model":"m","user":null,"label":"stable"}\n')
        file.write('not json "user":"\n{"user":"1","model":"other"}\n{"user":"torn')
    verdict = SplitCheck(log.path).judge(state, plan, over=True)
    assert (verdict.decision, verdict.fact.startswith("0 of 0 new users")) == (Decision.CONTINUE, True)


def test_a_long_log_is_read_from_the_rollouts_beginning_on(log):
    with log.path.open("w") as file:
        for second in range(20_000):
            at = BEGIN + timedelta(seconds=second - 10_000)
            file.write(f'{{"model":"m","time":"{at:%Y-%m-%dT%H:%M:%S}.000Z","user":"{second:08x}","label":"stable"}}\n')
    with log.path.open("rb") as file:
        seek_time(file, BEGIN)
        skipped = file.tell()
        assert skipped > 0.4 * log.path.stat().st_size
        assert BEGIN - timedelta(minutes=15) < datetime.fromisoformat(json.loads(file.readline())["time"]) < BEGIN
    with log.path.open("rb") as file:
        seek_time(file, BEGIN - timedelta(days=9))
        assert file.tell() == 0


def test_a_gate_that_reads_files_is_asked_when_a_step_is_over_and_not_every_time(log):
    class Counting:
        calls = 0

        def judge(self, state, rollout, over):
            self.calls += 1
            return Verdict("g", Decision.WAIT, f"{self.calls}")

    gate = Counting()
    state, plan = rolled_out(10.0)
    plan = plan.model_copy(update={"since": "a"})
    paced = Paced(gate)
    assert [paced.judge(state, plan, over=over).fact for over in (False, False, True, True)] == ["1", "1", "2", "2"]
    assert paced.judge(state, plan.model_copy(update={"since": "b"}), over=False).fact == "3"
