"""What starting and stopping an experiment does to the state of a release: pure functions."""

from __future__ import annotations

from typing import Any

from hilir.serving.errors import ReleaseRefused
from hilir.serving.release.transitions import require_approved, require_no_experiment, require_no_rollout
from hilir.serving.releases.experiments import Experiment, end_all
from hilir.serving.releases.split import CANDIDATE, STABLE
from hilir.serving.releases.state import State


def start(state: State, experiment: Experiment) -> State:
    """Makes two arms of stable and of the staged candidate, whose shares are frozen until the experiment ends.

    Raises:
        ReleaseRefused: the version is not the candidate, has traffic already or needs an approval, or another
            experiment or a rollout runs.
    """
    running = state.experiment
    if running is not None and _settings(running) == _settings(experiment):
        return state
    require_no_experiment(state)
    require_free(state, experiment.candidate)
    if (state.stable, state.candidate) != (experiment.stable, experiment.candidate):
        raise ReleaseRefused(
            f"{state.model}: version {experiment.candidate} is not the candidate; "
            f"type 'hilir release stage {experiment.candidate}'"
        )
    require_approved(state, experiment.candidate)
    split = {STABLE: 100 - experiment.percent, CANDIDATE: experiment.percent}
    return _change(state, split=split, shadow=0.0, experiments=(*state.experiments, experiment))


def require_free(state: State, candidate: int) -> None:
    """Refuses while another trial has a part of the traffic.

    A rollout of the candidate that has ended below 100 % is what an experiment continues: users are divided anew.

    Raises:
        ReleaseRefused: there is one, or there is no stable version to compare with.
    """
    require_no_rollout(state)
    if state.stable is None:
        raise ReleaseRefused(
            f"{state.model}: there is no stable version to compare with; "
            "type 'hilir release stage VERSION', then 'hilir release promote'"
        )
    if state.experiment is None and state.percent > 0 and not _has_stood_trial(state, candidate):
        raise ReleaseRefused(
            f"{state.model}: version {state.candidate} is on trial with {state.percent:g} % of the traffic; "
            "type 'hilir release abort' or 'hilir release promote' first"
        )


def _has_stood_trial(state: State, candidate: int) -> bool:
    """Whether the candidate has its share from a rollout that ended there."""
    events = [event.verb for event in state.history if event.version == candidate]
    return state.candidate == candidate and bool(events) and events[-1] == "rollout-end"


def stop(state: State) -> State:
    """Ends the experiment that runs, if there is one: stable has all of the traffic, the candidate stays staged."""
    if state.experiment is None:
        return state
    return _change(state, split={STABLE: 100.0}, experiments=end_all(state.experiments, "stop"))


def _change(state: State, **updates: Any) -> State:
    fields = {("schema" if name == "schema_" else name): value for name, value in state}
    return State.model_validate({**fields, **updates})


def _settings(experiment: Experiment) -> dict[str, Any]:
    return experiment.model_dump(exclude={"id", "started", "ended", "ended_by"})
