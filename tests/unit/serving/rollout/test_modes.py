"""A rollout and an experiment exclude each other, and what would change their shares is refused."""

import pytest

from hilir.serving.errors import ReleaseRefused
from hilir.serving.experiment import transitions as experiments
from hilir.serving.release import transitions as t
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.rollout import Rollout
from hilir.serving.releases.state import State
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
