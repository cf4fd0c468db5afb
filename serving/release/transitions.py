"""What release verbs do to the state: pure functions.

Every function takes a State and returns a State; it reads no clock, file or network, and refuses with a reason what
would be unsafe. A function applied twice gives what it gave the first time.
"""

from __future__ import annotations

from typing import Any

from hilir.serving.errors import ReleaseRefused
from hilir.serving.releases.experiments import date_all, end_all
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.split import CANDIDATE, STABLE
from hilir.serving.releases.state import Event, State, Version

_ALL_STABLE: dict[str, float] = {STABLE: 100.0}
# Verbs that change which version is stable.
_STABLE_VERBS = ("promote", "rollback")
_LABEL_VERBS = ("stage", "canary", "abort", "rollout", "rollout-stop", *_STABLE_VERBS)
# Verbs whose actor asks for a version to be released, and who therefore may not approve it.
_ASKING_VERBS = ("load", "stage")


def add_loaded(state: State, number: int, manifest: str, other_inputs: bool = False) -> State:
    """Has a version loaded; a version whose files changed since it was verified has to be verified again."""
    known = state.versions.get(number)
    verified = known is not None and known.loaded and known.verified and known.manifest == manifest
    approved = known.approved_by if known is not None and known.manifest == manifest else ""
    version = Version(manifest=manifest, verified=verified, other_inputs=other_inputs, approved_by=approved)
    return _change(state, versions={**state.versions, number: version})


def serve_from(state: State, served_root: str) -> State:
    """Notes where the servers see the serving root."""
    return _change(state, served_root=served_root.rstrip("/"))


def verify(state: State, number: int) -> State:
    """Notes that a loaded version answered its golden requests.

    Raises:
        ReleaseRefused: it is not loaded.
    """
    _require(state, number in state.loaded, f"version {number} is not loaded", f"stage {number}")
    version = state.versions[number].model_copy(update={"verified": True})
    return _change(state, versions={**state.versions, number: version})


def stage(state: State, number: int) -> State:
    """Makes a verified version the candidate, with no traffic yet; the stable version may be staged, to no effect.

    Raises:
        ReleaseRefused: it was not verified, or another candidate has traffic.
    """
    if number in (state.stable, state.candidate):
        return state
    require_no_rollout(state)
    _require_no_other_trial(state, number)
    _require_verified(state, number)
    labels: dict[str, int] = {**state.served_labels, CANDIDATE: number}
    split = _ALL_STABLE if state.stable is not None else {}
    return _change(state, labels=labels, split=split, shadow=0.0)


def canary(state: State, number: int, percent: float, shadow: float | None = None) -> State:
    """Gives a verified version a share of the traffic.

    Args:
        state: the state before.
        number: the version.
        percent: 0 to 100, in steps of 0.01.
        shadow: percent of stable's requests to copy to it; None leaves that as it is.

    Raises:
        ReleaseRefused: there is nothing to share with, another candidate has traffic, or the share is none.
    """
    require_no_rollout(state)
    return share(state, number, percent, shadow)


def share(state: State, number: int, percent: float, shadow: float | None = None) -> State:
    """Gives a verified version a share of the traffic, as `canary` does and as each step of a rollout.

    Raises:
        ReleaseRefused: as for `canary`, but for a rollout.
    """
    for value in (percent, shadow or 0.0):
        if not 0 <= value <= 100 or abs(value * 100 - round(value * 100)) > 1e-9:
            raise ReleaseRefused(
                f"{state.model}: {value:g} percent cannot be given, since the split has to sum to 100; "
                "choose a number from 0 to 100 with at most two decimals"
            )
    if number == state.stable:
        raise ReleaseRefused(
            f"{state.model}: version {number} is stable already, all of the traffic that no candidate has is its own; "
            "choose another version"
        )
    _require(state, state.stable is not None, "there is no stable version to share the traffic with", "promote")
    require_no_experiment(state)
    _require_no_other_trial(state, number)
    state = stage(state, number)
    if percent > 0:
        require_approved(state, number)
    kept = state.shadow if shadow is None else shadow
    return _change(state, split={STABLE: 100 - percent, CANDIDATE: percent}, shadow=kept)


def promote(state: State) -> State:
    """Makes the candidate stable, with all of the traffic; the version before it stays loaded.

    Raises:
        ReleaseRefused: there is no candidate, unless the last thing that was done is a promotion; a rollout decides
            about it, or it needs an approval.
    """
    require_no_rollout(state)
    return complete(state)


def complete(state: State) -> State:
    """Makes the candidate stable, as `promote` does and as a rollout after its last step.

    Raises:
        ReleaseRefused: as for `promote`, but for a rollout.
    """
    require_no_experiment(state)
    if state.candidate is None:
        trial = [event.verb for event in state.history if event.verb in _LABEL_VERBS]
        if state.stable is not None and trial and trial[-1] == "promote":
            return state
        raise ReleaseRefused(
            f"{state.model}: there is no candidate to promote; "
            "type 'hilir release stage VERSION' or 'hilir release canary VERSION --percent 5' first"
        )
    _require_verified(state, state.candidate)
    require_approved(state, state.candidate)
    return _change(state, labels={STABLE: state.candidate}, split=_ALL_STABLE, shadow=0.0, rollout=None)


def rollback_target(state: State, to: int | None) -> int:
    """Returns the version that a rollback would make stable: `to`, or the one that was stable before.

    A rollback that comes right after a rollback means the same version again.

    Raises:
        ReleaseRefused: nothing was stable before.
    """
    if to is not None:
        return to
    changes = [event for event in state.history if event.verb in _STABLE_VERBS]
    if changes and changes[-1].verb == "rollback" and state.stable is not None:
        return state.stable
    for event in reversed(changes):
        if event.stable is not None and event.stable != state.stable:
            return event.stable
    raise ReleaseRefused(
        f"{state.model}: no other version has been stable, so there is nothing to roll back to; "
        "type 'hilir release abort' to end a trial, or name a version with --to"
    )


def rollback(state: State, number: int) -> State:
    """Makes a loaded, verified version stable with all of the traffic, and ends a trial; all stay loaded.

    Raises:
        ReleaseRefused: the version was not verified.
    """
    _require_verified(state, number)
    ended = end_all(state.experiments, "rollback")
    return _change(state, labels={STABLE: number}, split=_ALL_STABLE, shadow=0.0, rollout=None, experiments=ended)


def abort(state: State) -> State:
    """Ends the trial: all of the traffic goes to stable; the candidate stays loaded until it is retired."""
    if state.stable is None:
        return _change(state, labels={}, split={}, shadow=0.0, rollout=None)
    ended = end_all(state.experiments, "abort")
    return _change(state, labels={STABLE: state.stable}, split=_ALL_STABLE, shadow=0.0, rollout=None, experiments=ended)


def retire(state: State, numbers: tuple[int, ...] = ()) -> State:
    """Has versions unloaded: the given ones, or all that have no label.

    Raises:
        ReleaseRefused: a given version is stable or the candidate, or was never staged.
    """
    for number in numbers:
        label = next((label for label, version in state.labels.items() if version == number), None)
        remedy = "rollback" if label == STABLE else "abort"
        _require(state, label is None, f"version {number} is {label} and cannot be retired", remedy)
        _require(state, number in state.versions, f"version {number} was never staged", "list")
    chosen = numbers or tuple(number for number in state.loaded if number not in state.labels.values())
    versions = {
        number: version.model_copy(update={"loaded": False, "verified": False}) if number in chosen else version
        for number, version in state.versions.items()
    }
    return _change(state, versions=versions)


def follow(state: State, rollout: Rollout) -> State:
    """Gives the candidate the share of the present step of a rollout.

    Raises:
        ReleaseRefused: as for `share`.
    """
    percent, shadow = rollout.percent, 0.0 if rollout.percent else rollout.shadow
    return _change(share(state, rollout.version, percent, shadow), rollout=rollout)


def end_rollout(state: State) -> State:
    """Ends a rollout; the candidate keeps the share that it has."""
    return _change(state, rollout=None)


def approve(state: State, number: int, actor: str) -> State:
    """Notes who approved that a version gets traffic; the approval is for the files as they were staged.

    Raises:
        ReleaseRefused: the version is not loaded, or the same actor staged it.
    """
    _require_verified(state, number)
    asking = [event.actor for event in state.history if event.verb in _ASKING_VERBS and event.version == number]
    if asking and asking[-1] == actor:
        raise ReleaseRefused(
            f"{state.model}: {actor} staged version {number} and cannot approve it too; "
            f"somebody else types 'hilir release approve {number}'"
        )
    if state.versions[number].approved_by:
        return state
    version = state.versions[number].model_copy(update={"approved_by": actor})
    return _change(state, versions={**state.versions, number: version})


def require_approval(state: State, approval: str) -> State:
    """Notes whether versions need an approval from now on: `required` or `none`."""
    return _change(state, approval=approval)


def record(state: State, verb: str, version: int | None, at: str, why: str, actor: str = "") -> State:
    """Adds what was done, and by whom, to the history."""
    event = Event(
        at=at,
        verb=verb,
        version=version,
        stable=state.stable,
        candidate=state.candidate,
        percent=state.percent,
        traffic=state.traffic,
        why=why,
        actor=actor,
    )
    return _change(state, history=(*state.history, event), experiments=date_all(state.experiments, at))


def require_no_experiment(state: State) -> None:
    """Refuses what would change the shares of an experiment that runs.

    Raises:
        ReleaseRefused: one runs.
    """
    if state.experiment is not None:
        raise ReleaseRefused(
            f"{state.model}: the experiment {state.experiment.name} is running, and its shares must not change; look "
            "at 'hilir experiment report', then type 'hilir experiment stop' or 'hilir release abort'"
        )


def _change(state: State, **updates: Any) -> State:
    # Through the validator, which model_copy would pass by.
    fields = {("schema" if name == "schema_" else name): value for name, value in state}
    return State.model_validate({**fields, **updates})


def _require(state: State, condition: bool, fact: str, verb: str) -> None:
    if not condition:
        raise ReleaseRefused(f"{state.model}: {fact}; type 'hilir release {verb}'")


def _require_verified(state: State, number: int) -> None:
    known = state.versions.get(number)
    _require(
        state,
        known is not None and known.loaded and known.verified,
        f"version {number} has not been loaded and checked with its golden requests",
        f"stage {number}",
    )


def require_no_rollout(state: State) -> None:
    """Refuses what would change the shares of a rollout.

    Raises:
        ReleaseRefused: one is in progress.
    """
    if state.rollout is not None:
        raise ReleaseRefused(
            f"{state.model}: version {state.rollout.version} is rolled out at the moment and has {state.percent:g} % "
            "of the traffic; wait for its end, or stop it with 'hilir release abort'"
        )


def require_approved(state: State, number: int) -> None:
    """Refuses traffic for a version that nobody has approved, where that is required.

    Raises:
        ReleaseRefused: it needs an approval.
    """
    if state.approval == "required" and not state.versions[number].approved_by:
        raise ReleaseRefused(
            f"{state.model}: version {number} needs the approval of somebody who did not stage it before it gets "
            f"traffic; they type 'hilir release approve {number}'"
        )


def _require_no_other_trial(state: State, number: int) -> None:
    other = state.candidate not in (None, number) and state.percent > 0
    fact = f"version {state.candidate} is on trial with {state.percent:g} % of the traffic"
    _require(state, not other, fact, "abort' or 'hilir release promote")
