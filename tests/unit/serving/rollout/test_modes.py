"""A rollout and an experiment exclude each other, and what would change their shares is refused."""

import pytest

from hilir.serving.errors import ReleaseRefused
from hilir.serving.experiment import experiment_transitions as experiments
from hilir.serving.release import transitions as t
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.state import State
from hilir.serving.rollout.engine import find_failure, is_done
from tests.unit.serving.release.test_transitions import new, promoted, ready

EXPERIMENT = Experiment(id="e-1", name="e", stable=1, candidate=2, percent=50, metrics=("rate:buys",), planned=1000)
PLAN = Rollout(version=2, steps=(0.0, 10.0, 100.0), shadow=20.0, hold_seconds=60)


def staged() -> State:
    return t.stage(ready(promoted(new(), 1), 2), 2)


def test_an_experiment_is_refused_during_a_rollout_even_before_it_has_users():
    state = t.follow(staged(), PLAN)
    assert (state.percent, state.shadow) == (0.0, 20.0)
    with pytest.raises(ReleaseRefused, match="version 2 is rolled out at the moment and has 0 %"):
        experiments.start(state, EXPERIMENT)
    assert t.abort(state).rollout is None


def test_a_rollout_is_refused_during_an_experiment():
    with pytest.raises(ReleaseRefused, match="the experiment e is running, and its shares must not change"):
        t.follow(experiments.start(staged(), EXPERIMENT), PLAN)


def test_steps_are_followed_and_copies_end_with_the_first_user():
    state = t.follow(t.follow(staged(), PLAN), PLAN.model_copy(update={"step": 1}))
    assert (state.split, state.shadow) == ({"stable": 90.0, "candidate": 10.0}, 0.0)
    done = t.complete(t.follow(state, PLAN.model_copy(update={"step": 2})))
    assert (done.stable, done.rollout, done.split) == (2, None, {"stable": 100.0})
    for verb in (lambda: t.promote(state), lambda: t.canary(state, 2, 5), lambda: t.stage(ready(state, 3), 3)):
        with pytest.raises(ReleaseRefused, match="wait for its end, or stop it with 'hilir release abort'"):
            verb()
    assert t.rollback(state, 1).rollout is None


def test_an_experiment_needs_the_approval_too():
    state = t.require_approval(staged(), "required")
    with pytest.raises(ReleaseRefused, match="needs the approval of somebody who did not stage it"):
        experiments.start(state, EXPERIMENT)
    assert experiments.start(t.approve(state, 2, "bob@desk"), EXPERIMENT).percent == 50


def told(state: State, *events: tuple[str, int]) -> State:
    for second, (verb, version) in enumerate(events):
        state = t.record(state, verb, version, f"2026-01-01T00:00:{second:02}+00:00", f"because {verb}")
    return state


@pytest.mark.parametrize(
    ("events", "failed"),
    [
        ([("rollout", 2), ("rollout-stop", 2)], True),
        ([("rollout-stop", 2), ("promote", 3), ("rollback", 1)], True),
        ([("rollout-stop", 2), ("rollout", 2), ("abort", 2)], False),
        ([("rollout-stop", 2), ("canary", 2)], False),
        ([("rollout-stop", 3)], False),
        ([], False),
    ],
)
def test_a_version_counts_as_failed_until_it_is_tried_again(events, failed):
    found = find_failure(told(staged(), *events), 2)
    assert (found is not None) is failed
    assert found is None or found.why == "because rollout-stop"


def test_a_plan_is_done_when_the_version_has_its_last_share_by_a_rollout():
    half = PLAN.model_copy(update={"steps": (10.0, 50.0)})
    state = t.end_rollout(t.follow(staged(), half.model_copy(update={"step": 1})))
    assert not is_done(state, half)
    state = told(state, ("rollout", 2), ("rollout-end", 2), ("stage", 3))
    assert is_done(state, half)
    assert not is_done(state, PLAN)
    assert not is_done(told(state, ("canary", 2)), half)
    assert is_done(promoted(staged(), 2), PLAN)
