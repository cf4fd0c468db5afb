"""What `hilir release list`, `show` and `history` print."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hilir.serving.errors import ReleaseRefused
from hilir.serving.release.checks import read_manifest
from hilir.serving.release.factory import choose_model
from hilir.serving.release.targets import find_missing
from hilir.serving.release.transaction import Session, describe
from hilir.serving.releases.state import State
from hilir.serving.releases.store import Store


def list_lines(root: str, model: str | None) -> Iterator[str]:
    """Yields a line per version on disk, the newest first."""
    store = Store(root)
    for name in [choose_model(store, model)] if model else store.models():
        state = store.read(name)
        for version in reversed(store.versions(name)):
            yield f"{name:<16} {version:>4}  {_standing(store, state, version)}"


def show_lines(session: Session, as_json: bool) -> Iterator[str]:
    """Yields the state, and what servers and gateway still lack of it."""
    state = session.read()
    missing = {
        target.name: find_missing(state, target.observe())
        for target in (session.servers, session.gateway)
        if target is not None
    }
    if as_json:
        yield json.dumps({"state": state.to_json(), "missing": missing})
        return
    yield f"{session.model}, revision {state.revision}: {describe(state)}"
    for name, faults in missing.items():
        yield f"{name}: {'; '.join(faults) or 'as they should be'}"
    if session.gateway is None:
        yield "gateway: none; start one with 'hilir gateway run'"


def history_lines(root: str, model: str | None, as_json: bool) -> Iterator[str]:
    """Yields what was done, the newest last."""
    store = Store(root)
    for event in store.read(choose_model(store, model)).history:
        if as_json:
            yield event.model_dump_json()
            continue
        version = f" {event.version}" if event.version is not None else ""
        share = f", candidate {event.candidate} with {event.percent:g} %" if event.candidate is not None else ""
        why = f"  {event.why}" if event.why else ""
        yield f"{event.at}  {event.verb}{version}: stable {event.stable or 'none'}{share}{why}"


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
