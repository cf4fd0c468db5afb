"""The release verbs: check, change the state, have the targets follow, always in an order that is safe.

Load, wait until AVAILABLE, replay the golden requests, move the label, keep what was loaded. The state is stored
before it is sent to a target, so that a verb that was killed finds where it was, and the same command succeeds.
"""

from __future__ import annotations

from contextlib import suppress

from hilir.serving.errors import ReleaseRefused, ServingError, TargetError
from hilir.serving.release import transitions
from hilir.serving.release.golden_replay import read_golden
from hilir.serving.release.transaction import Transaction, describe
from hilir.serving.release.version_checks import check_inputs, check_version, manifest_hash
from hilir.serving.releases.state import State


def stage(transaction: Transaction, version: int, *, accept_schema_change: bool = False) -> State:
    """Loads a version, verifies it, and makes it the candidate without traffic.

    Raises:
        ReleaseRefused: the version is not fit, or another one is on trial.
        TargetError: the servers do not answer or do not load it.
    """
    before = transaction.read()
    # Refuse what would be refused later before hours of loading.
    prepared = _prepare(transaction, before, version, accept_schema_change)
    if version != before.stable:
        transitions.stage(_verified(prepared, version), version)
    state = _load(transaction, before, prepared, version)
    state = transaction.save(state, transitions.stage(state, version), "stage", version)
    transaction.settle(state, transaction.servers, transaction.gateway)
    return state


def canary(
    transaction: Transaction,
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
    before = transaction.read()
    if transaction.gateway is None:
        raise ReleaseRefused(
            f"{transaction.model}: there is no gateway to split the traffic; start one with 'hilir gateway run'"
        )
    prepared = _prepare(transaction, before, version, accept_schema_change)
    transitions.canary(_verified(prepared, version), version, percent, shadow)
    transaction.require_answer(transaction.gateway)
    state = _load(transaction, before, prepared, version)
    after = transitions.canary(state, version, percent, shadow)
    state = transaction.save(state, after, "canary", version)
    transaction.settle(state, transaction.servers, transaction.gateway)
    return state


def promote(transaction: Transaction) -> State:
    """Makes the candidate stable; the version before it stays loaded.

    Raises:
        ReleaseRefused: there is no candidate, or it is not what was staged any more.
        TargetError: servers or gateway do not answer or do not follow.
    """
    before = transaction.read()
    after = transitions.promote(before)
    version = after.stable
    assert version is not None
    if before.candidate is not None:
        _check_unchanged(transaction, before, version)
        check_inputs(transaction.store, before, version, before.versions[version].other_inputs)
        transaction.require_answer(transaction.servers, transaction.gateway)
        transaction.settle(before, transaction.servers)
    state = transaction.save(before, after, "promote", version)
    transaction.settle(state, transaction.servers, transaction.gateway)
    return state


def rollback(transaction: Transaction, to: int | None = None) -> State:
    """Gives all of the traffic to the version that was stable before, or to `to`: at the gateway first.

    A version that is still loaded needs nothing but the change; another one is loaded and verified first.

    Raises:
        ReleaseRefused: nothing was stable before, or the version is not fit.
        TargetError: no server has the version.
    """
    before = transaction.read()
    version = transitions.rollback_target(before, to)
    known = before.versions.get(version)
    if known is None or not known.loaded or not known.verified:
        prepared = _prepare(transaction, before, version, accept_schema_change=True)
        state = _load(transaction, before, prepared, version)
    else:
        state = before
        _require_available(transaction, version)
    state = transaction.save(state, transitions.rollback(state, version), "rollback", version)
    transaction.settle(state, transaction.gateway, transaction.servers, patient=True)
    return state


def abort(transaction: Transaction) -> State:
    """Ends the trial of the candidate: at the gateway first; it stays loaded until it is retired.

    Raises:
        TargetError: servers or gateway do not follow.
    """
    before = transaction.read()
    state = transaction.save(before, transitions.abort(before), "abort", before.candidate)
    transaction.settle(state, transaction.gateway, transaction.servers, patient=True)
    return state


def approve(transaction: Transaction, version: int) -> State:
    """Approves that a staged version gets traffic; nothing that serves changes.

    Raises:
        ReleaseRefused: it is not staged, or the same actor staged it.
    """
    before = transaction.read()
    return transaction.save(before, transitions.approve(before, version, transaction.actor), "approve", version)


def require_approval(transaction: Transaction, approval: str) -> None:
    """Notes whether versions of the model need an approval from now on: `required` or `none`."""
    before = transaction.read()
    transaction.save(before, transitions.require_approval(before, approval), f"approval-{approval}", None)


def retire(transaction: Transaction, versions: tuple[int, ...] = ()) -> State:
    """Has servers unload versions that nobody is sent to.

    Raises:
        ReleaseRefused: one of them is stable or the candidate.
        TargetError: servers or gateway do not answer or do not follow.
    """
    before = transaction.read()
    after = transitions.retire(before, versions)
    if not transaction.dry_run:
        # A verb that was killed may have left a target behind, which still sends requests to these versions.
        transaction.require_answer(transaction.servers, transaction.gateway)
        transaction.settle(before, transaction.gateway)
    retired = sorted(set(before.loaded) - set(after.loaded))
    state = transaction.save(before, after, "retire", retired[0] if len(retired) == 1 else None)
    transaction.settle(state, transaction.servers)
    return state


def _prepare(transaction: Transaction, before: State, version: int, accept_schema_change: bool) -> State:
    """Checks a version on disk; returns the state with it among the loaded ones."""
    check_version(transaction.store, transaction.model, version)
    read_golden(transaction.store, transaction.model, version)
    manifest = manifest_hash(transaction.store, transaction.model, version)
    known = before.versions.get(version)
    accepted = known is not None and known.other_inputs and known.manifest == manifest
    other = check_inputs(transaction.store, before, version, accept_schema_change or accepted)
    if transaction.offline and before.stable is not None:
        raise ReleaseRefused(
            f"{transaction.model}: version {before.stable} is stable, so the next one has to be verified on a server; "
            "start the servers and leave out --offline"
        )
    state = _keep_loaded(transaction, before) if not before.versions else before
    if transaction.served_root is not None:
        state = transitions.serve_from(state, transaction.served_root)
    return transitions.add_loaded(state, version, manifest, other)


def _keep_loaded(transaction: Transaction, before: State) -> State:
    """What servers have loaded before the first release stays loaded: somebody may use it."""
    seen = transaction.servers.observe().versions or {}
    state = before
    for number in sorted(number for number, condition in seen.items() if condition == "AVAILABLE"):
        folder = transaction.store.root / transaction.model / str(number)
        try:
            state = transitions.add_loaded(state, number, manifest_hash(transaction.store, transaction.model, number))
        except FileNotFoundError:
            raise ReleaseRefused(
                f"{folder}: the version serves now and has no manifest, so that the first release would unload it; "
                f"type 'hilir release adopt {folder}' first"
            ) from None
    return state


def _load(transaction: Transaction, before: State, prepared: State, version: int) -> State:
    """Has the servers load a version and verifies it there; unloads it again where it fails."""
    transaction.require_answer(transaction.servers)
    state = transaction.save(before, prepared, "load", version)
    if transaction.dry_run:
        transaction.settle(state, transaction.servers)
        transaction.echo(f"would replay the golden requests of version {version}")
        return _verified(state, version)
    if transaction.offline:
        return transaction.save(state, _verified(state, version), "offline", version)
    try:
        transaction.settle(state, transaction.servers)
        if not state.versions[version].verified:
            count = transaction.replay_golden(version)
            verified = f"gave {count} golden answers" if count else "has no golden requests to be verified with"
            transaction.echo(f"version {version} is AVAILABLE and {verified}")
    except ServingError:
        _unload_failed(transaction, state, version)
        raise
    return transaction.save(state, _verified(state, version), "verify", version)


def _unload_failed(transaction: Transaction, state: State, version: int) -> None:
    """A version that is not fit does not stay where a request without a label could reach it."""
    if version in state.labels.values() or state.versions[version].verified:
        return
    with suppress(ServingError):
        state = transaction.save(state, transitions.retire(state, (version,)), "unload", version)
        transaction.servers.apply(state)


def _check_unchanged(transaction: Transaction, state: State, version: int) -> None:
    check_version(transaction.store, transaction.model, version)
    if manifest_hash(transaction.store, transaction.model, version) != state.versions[version].manifest:
        raise ReleaseRefused(
            f"{transaction.model}: the manifest of version {version} is not the one that was staged; "
            f"type 'hilir release stage {version}'"
        )


def _require_available(transaction: Transaction, version: int) -> None:
    seen = transaction.servers.observe()
    state = (seen.versions or {}).get(version, "unknown")
    if len(seen.silent) == seen.replicas:
        transaction.echo(f"no server answers; version {version} was loaded and verified when it was staged")
    elif state != "AVAILABLE":
        raise TargetError(
            f"{transaction.model}: version {version} is {state} on a server, so nothing was changed; "
            f"type 'hilir release stage {version}', or roll back to another version with --to"
        )


def _verified(state: State, version: int) -> State:
    return transitions.verify(state, version)


__all__ = ["abort", "approve", "canary", "describe", "promote", "require_approval", "retire", "rollback", "stage"]
