"""The release verbs: check, change the state, have the targets follow, always in an order that is safe.

Load, wait until AVAILABLE, replay the golden requests, move the label, keep what was loaded. The state is stored
before a target is told of it, so that a verb that was killed finds where it was, and the same command succeeds.
"""

from __future__ import annotations

from contextlib import suppress

from hilir.serving.errors import ReleaseRefused, ServingError, TargetError
from hilir.serving.release import transitions
from hilir.serving.release.checks import check_inputs, check_version, manifest_hash
from hilir.serving.release.golden import read_golden
from hilir.serving.release.transaction import Session, describe
from hilir.serving.releases.state import State


def stage(session: Session, version: int, *, accept_schema_change: bool = False) -> State:
    """Loads a version, proves it, and makes it the candidate without traffic.

    Raises:
        ReleaseRefused: the version is not fit, or another one is on trial.
        TargetError: the servers do not answer or do not load it.
    """
    before = session.read()
    # Refuse what would be refused later before hours of loading.
    prepared = _prepare(session, before, version, accept_schema_change)
    if version != before.stable:
        transitions.stage(_verified(prepared, version), version)
    state = _load(session, before, prepared, version)
    state = session.save(state, transitions.stage(state, version), "stage", version)
    session.settle(state, session.servers, session.gateway)
    return state


def canary(
    session: Session,
    version: int,
    percent: float,
    *,
    shadow: float | None = None,
    accept_schema_change: bool = False,
) -> State:
    """Gives a version a share of the traffic; stages it if that has not been done.

    Raises:
        ReleaseRefused: as for `stage`; or there is no stable version, no gateway, or the split does not sum to 100.
        TargetError: servers or gateway do not answer or do not follow.
    """
    before = session.read()
    if session.gateway is None:
        raise ReleaseRefused(
            f"{session.model}: there is no gateway to split the traffic; start one with 'hilir gateway run'"
        )
    prepared = _prepare(session, before, version, accept_schema_change)
    transitions.canary(_verified(prepared, version), version, percent, shadow)
    session.require_answer(session.gateway)
    state = _load(session, before, prepared, version)
    after = transitions.canary(state, version, percent, shadow)
    state = session.save(state, after, "canary", version)
    session.settle(state, session.servers, session.gateway)
    return state


def promote(session: Session) -> State:
    """Makes the candidate stable; the version before it stays loaded.

    Raises:
        ReleaseRefused: there is no candidate, or it is not what was staged any more.
        TargetError: servers or gateway do not answer or do not follow.
    """
    before = session.read()
    after = transitions.promote(before)
    version = after.stable
    assert version is not None
    if before.candidate is not None:
        _check_unchanged(session, before, version)
        check_inputs(session.store, before, version, before.versions[version].other_inputs)
        session.require_answer(session.servers, session.gateway)
        session.settle(before, session.servers)
    state = session.save(before, after, "promote", version)
    session.settle(state, session.servers, session.gateway)
    return state


def rollback(session: Session, to: int | None = None) -> State:
    """Gives all of the traffic to the version that was stable before, or to `to`: at the gateway first.

    A version that is still loaded needs nothing but the change; another one is loaded and proved first.

    Raises:
        ReleaseRefused: nothing was stable before, or the version is not fit.
        TargetError: no server has the version.
    """
    before = session.read()
    version = transitions.rollback_target(before, to)
    known = before.versions.get(version)
    if known is None or not known.loaded or not known.verified:
        prepared = _prepare(session, before, version, accept_schema_change=True)
        state = _load(session, before, prepared, version)
    else:
        state = before
        _require_available(session, version)
    state = session.save(state, transitions.rollback(state, version), "rollback", version)
    session.settle(state, session.gateway, session.servers, patient=True)
    return state


def abort(session: Session) -> State:
    """Ends the trial of the candidate: at the gateway first; it stays loaded until it is retired.

    Raises:
        TargetError: servers or gateway do not follow.
    """
    before = session.read()
    state = session.save(before, transitions.abort(before), "abort", before.candidate)
    session.settle(state, session.gateway, session.servers, patient=True)
    return state


def retire(session: Session, versions: tuple[int, ...] = ()) -> State:
    """Has servers unload versions that nobody is sent to.

    Raises:
        ReleaseRefused: one of them is stable or the candidate.
        TargetError: servers or gateway do not answer or do not follow.
    """
    before = session.read()
    after = transitions.retire(before, versions)
    if not session.dry_run:
        # A verb that was killed may have left a target behind, which still sends requests to these versions.
        session.require_answer(session.servers, session.gateway)
        session.settle(before, session.gateway)
    retired = sorted(set(before.loaded) - set(after.loaded))
    state = session.save(before, after, "retire", retired[0] if len(retired) == 1 else None)
    session.settle(state, session.servers)
    return state


def _prepare(session: Session, before: State, version: int, accept_schema_change: bool) -> State:
    """Checks a version on disk; returns the state with it among the loaded ones."""
    check_version(session.store, session.model, version)
    read_golden(session.store, session.model, version)
    manifest = manifest_hash(session.store, session.model, version)
    known = before.versions.get(version)
    accepted = known is not None and known.other_inputs and known.manifest == manifest
    other = check_inputs(session.store, before, version, accept_schema_change or accepted)
    if session.offline and before.stable is not None:
        raise ReleaseRefused(
            f"{session.model}: version {before.stable} is stable, so the next one has to be proved on a server; "
            "start the servers and leave out --offline"
        )
    state = _adopt(session, before) if before.revision == 0 else before
    if session.served_root is not None:
        state = transitions.serve_from(state, session.served_root)
    return transitions.add_loaded(state, version, manifest, other)


def _adopt(session: Session, before: State) -> State:
    """What servers have loaded before the first release stays loaded: somebody may use it."""
    seen = session.servers.observe().versions or {}
    state = before
    for number in sorted(number for number, condition in seen.items() if condition == "AVAILABLE"):
        with suppress(OSError):
            state = transitions.add_loaded(state, number, manifest_hash(session.store, session.model, number))
    return state


def _load(session: Session, before: State, prepared: State, version: int) -> State:
    """Has the servers load a version and proves it there; unloads it again where it fails."""
    session.require_answer(session.servers)
    state = session.save(before, prepared, "load", version)
    if session.dry_run:
        session.settle(state, session.servers)
        session.say(f"would replay the golden requests of version {version}")
        return _verified(state, version)
    if session.offline:
        return session.save(state, _verified(state, version), "offline", version)
    try:
        session.settle(state, session.servers)
        if not state.versions[version].verified:
            count = session.prove(version)
            session.say(f"version {version} is AVAILABLE and gave {count} golden answers")
    except ServingError:
        _unload_failed(session, state, version)
        raise
    return session.save(state, _verified(state, version), "verify", version)


def _unload_failed(session: Session, state: State, version: int) -> None:
    """A version that is not fit does not stay where a request without a label could reach it."""
    if version in state.labels.values() or state.versions[version].verified:
        return
    with suppress(ServingError):
        state = session.save(state, transitions.retire(state, (version,)), "unload", version)
        session.servers.apply(state)


def _check_unchanged(session: Session, state: State, version: int) -> None:
    check_version(session.store, session.model, version)
    if manifest_hash(session.store, session.model, version) != state.versions[version].manifest:
        raise ReleaseRefused(
            f"{session.model}: the manifest of version {version} is not the one that was staged; "
            f"type 'hilir release stage {version}'"
        )


def _require_available(session: Session, version: int) -> None:
    seen = session.servers.observe()
    state = (seen.versions or {}).get(version, "unknown")
    if len(seen.silent) == seen.replicas:
        session.say(f"no server answers; version {version} was loaded and proved when it was staged")
    elif state != "AVAILABLE":
        raise TargetError(
            f"{session.model}: version {version} is {state} on a server, so nothing was changed; "
            f"type 'hilir release stage {version}', or roll back to another version with --to"
        )


def _verified(state: State, version: int) -> State:
    return transitions.verify(state, version)


__all__ = ["abort", "canary", "describe", "promote", "retire", "rollback", "stage"]
