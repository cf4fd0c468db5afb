import pytest

from hilir.serving.errors import ReleaseRefused
from hilir.serving.experiment.experiment_transitions import require_free, start, stop
from hilir.serving.gateway.routes import release_metadata
from hilir.serving.release import transitions as t
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.state import State

WHEN = "2026-01-01T00:00:00+00:00"


def experiment(**more) -> Experiment:
    values = {"id": "colour-3", "name": "colour", "stable": 1, "candidate": 2, "percent": 40}
    return Experiment(**values | {"metrics": ("proportion:bought",), "planned": 1000} | more)


def two_versions() -> State:
    state = State(model="m", served_root="/models")
    for number in (1, 2):
        state = t.verify(t.add_loaded(state, number, f"hash{number}"), number)
    state = t.record(t.promote(t.stage(state, 1)), "promote", 1, WHEN, "")
    return t.stage(state, 2)


def started() -> State:
    return t.record(start(two_versions(), experiment()), "experiment", 2, WHEN, "")


def test_an_experiment_has_two_arms_with_frozen_shares():
    state = started()
    assert state.split == {"stable": 60.0, "candidate": 40.0}
    assert state.experiment is not None
    assert state.experiment.started == WHEN
    assert state.experiment.ended == ""
    metadata = release_metadata(state)
    assert (metadata["experiment"], metadata["salt"], metadata["buckets"]) == ("colour-3", "m-2", 4000)
    assert State.model_validate(state.to_json()) == state
    for verb in (lambda: t.canary(state, 2, 50), lambda: t.promote(state)):
        with pytest.raises(ReleaseRefused, match="the experiment colour is running, and its shares must not change"):
            verb()


def test_start_may_be_repeated_and_another_one_is_refused():
    state = started()
    assert start(state, experiment(id="colour-9")) == state
    with pytest.raises(ReleaseRefused, match="the experiment colour is running"):
        start(state, experiment(percent=50))


@pytest.mark.parametrize("verb", ["stop", "abort", "rollback"])
def test_stop_abort_and_rollback_end_it(verb):
    state = started()
    end = {"stop": stop, "abort": t.abort, "rollback": lambda state: t.rollback(state, 1)}[verb]
    over = t.record(end(state), verb, 2, "2026-01-02T00:00:00+00:00", "")
    assert over.split == {"stable": 100.0}
    assert over.experiment is None
    (kept,) = over.experiments
    assert (kept.ended_by, kept.started, kept.ended) == (verb, WHEN, "2026-01-02T00:00:00+00:00")
    assert end(over).experiments == over.experiments
    assert "experiment" not in release_metadata(over)
    assert over.candidate == (2 if verb == "stop" else None)


def test_an_experiment_is_refused_during_a_canary_and_without_its_versions():
    with pytest.raises(ReleaseRefused, match="version 2 is on trial with 10 % of the traffic"):
        start(t.canary(two_versions(), 2, 10), experiment())
    with pytest.raises(ReleaseRefused, match="version 2 is rolled out at the moment"):
        start(t.follow(two_versions(), Rollout(version=2, steps=(5, 50), hold_seconds=60)), experiment())
    with pytest.raises(ReleaseRefused, match="version 2 needs the approval of somebody who did not stage it"):
        start(t.require_approval(two_versions(), "required"), experiment())
    with pytest.raises(ReleaseRefused, match="version 3 is not the candidate; type 'hilir release stage 3'"):
        start(two_versions(), experiment(candidate=3))
    with pytest.raises(ReleaseRefused, match="there is no stable version to compare with"):
        require_free(State(model="m", served_root="/models"), 2)


def test_an_experiment_continues_a_rollout_that_has_ended_below_all_of_the_traffic():
    rolling = t.follow(two_versions(), Rollout(version=2, steps=(5, 50), hold_seconds=60, step=1))
    ended = t.record(t.end_rollout(rolling), "rollout-end", 2, WHEN, "")
    assert ended.split == {"stable": 50.0, "candidate": 50.0}
    assert start(ended, experiment()).split == {"stable": 60.0, "candidate": 40.0}
    # Another version may not take its place, and a share that somebody gave afterwards is a canary.
    with pytest.raises(ReleaseRefused, match="version 2 is on trial with 50 % of the traffic"):
        require_free(ended, 3)
    canary = t.record(t.canary(ended, 2, 20), "canary", 2, WHEN, "")
    with pytest.raises(ReleaseRefused, match="version 2 is on trial with 20 % of the traffic"):
        start(canary, experiment())
