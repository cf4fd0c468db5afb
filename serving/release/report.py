"""What `hilir release list`, `show` and `history` print."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hilir.serving.errors import ReleaseRefused, TargetError
from hilir.serving.release.checks import read_manifest
from hilir.serving.release.selection import choose_model
from hilir.serving.release.targets import describe_split, find_missing
from hilir.serving.release.transaction import Transaction, describe
from hilir.serving.releases.state import Event, State
from hilir.serving.releases.store import Store


def list_lines(store: Store, model: str | None) -> Iterator[str]:
    """Yields a line per version on disk, the newest first; of one model or of all."""
    for name in store.models() if model is None else [choose_model(store, model)]:
        state = store.read(name)
        for version in reversed(store.versions(name)):
            yield f"{name:<16} {version:>4}  {_standing(store, state, version)}"


@dataclass(frozen=True)
class Inspection:
    """A stored state, and what the targets still lack of it.

    Attributes:
        state: the state.
        missing: by the target's name; nothing where it has arrived.
    """

    state: State
    missing: Mapping[str, list[str]]

    def require_arrival(self) -> None:
        """Makes sure that all targets do what the state says.

        Raises:
            TargetError: one does not answer, or does something else.
        """
        behind = [name for name, faults in self.missing.items() if faults]
        if behind:
            raise TargetError(
                f"{self.state.model}: not as released: {', '.join(behind)}; "
                "start what does not answer, then repeat the last release verb"
            )


def inspect(transaction: Transaction) -> Inspection:
    """Looks at the state and at all targets."""
    state = transaction.read()
    targets = [target for target in (transaction.servers, transaction.gateway) if target is not None]
    return Inspection(state, {target.name: find_missing(state, target.observe()) for target in targets})


def show_lines(found: Inspection, as_json: bool) -> Iterator[str]:
    """Yields the state, and what servers and gateway still lack of it."""
    state = found.state
    if as_json:
        yield json.dumps({"state": state.to_json(), "traffic": state.traffic, "missing": dict(found.missing)})
        return
    yield f"{state.model}, revision {state.revision}: {describe(state)}"
    for name, faults in found.missing.items():
        yield f"{name}: {'; '.join(faults) or 'as they should be'}"
    if "gateway" not in found.missing:
        yield "gateway: none; start one with 'hilir gateway run'"


def history_lines(store: Store, model: str | None, as_json: bool) -> Iterator[str]:
    """Yields what was done, the newest last."""
    for event in store.read(choose_model(store, model)).history:
        if as_json:
            yield event.model_dump_json()
            continue
        version = f" {event.version}" if event.version is not None else ""
        candidate = f", candidate {event.candidate}" if event.candidate is not None else ""
        why = f"  {event.why}" if event.why else ""
        yield (
            f"{event.at}  {event.verb}{version}: stable {event.stable or 'none'}{candidate}; "
            f"traffic: {_describe_traffic(event)}{why}"
        )


def _describe_traffic(event: Event) -> str:
    if event.traffic is not None:
        return describe_split(event.traffic) if event.traffic else "the newest version"
    shares = {event.stable: 100 - event.percent, event.candidate: event.percent}
    known = {number: share for number, share in shares.items() if number is not None and share > 0}
    return describe_split(known) if event.stable is not None else "not recorded"


def _standing(store: Store, state: State, version: int) -> str:
    words: list[str] = [label for label, number in state.labels.items() if number == version]
    known = state.versions.get(version)
    if known is not None and known.loaded:
        words.append("loaded" if known.verified else "loading")
    elif known is not None:
        words.append("retired")
    try:
        manifest = read_manifest(store, state.model, version)
        words.append("blessed" if manifest.get("blessed") is True else "not blessed")
        words.append(str(manifest.get("created", "")))
    except ReleaseRefused:
        words.append("without a manifest that can be read")
    if version == state.candidate:
        words[0] += f" {state.percent:g} %"
    return "  ".join(words)
