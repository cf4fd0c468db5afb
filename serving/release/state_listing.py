"""What `hilir release list`, `show` and `history` print."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hilir.serving.errors import ReleaseRefused, ServingConfigError, TargetError
from hilir.serving.release.figures import Figures, describe_rollout, read_figures
from hilir.serving.release.selection import choose_model
from hilir.serving.release.targets import describe_split, find_missing
from hilir.serving.release.transaction import Transaction, describe
from hilir.serving.release.version_checks import read_manifest
from hilir.serving.releases.actor import make_printable
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import Event, State

# The reasons of a step name each gate.
_LONGEST_WHY = 1000


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
        figures: what the gateway counted.
    """

    state: State
    missing: Mapping[str, list[str]]
    figures: Figures

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
    missing = {target.name: find_missing(state, target.observe()) for target in targets}
    return Inspection(state, missing, read_figures(transaction.gateway))


def show_lines(found: Inspection, as_json: bool) -> Iterator[str]:
    """Yields the state, and what servers and gateway still lack of it."""
    state = found.state
    if as_json:
        content = {"state": state.to_json(), "traffic": state.traffic, "missing": dict(found.missing)}
        yield json.dumps(content | {"figures": found.figures.to_json()})
        return
    yield f"{state.model}, revision {state.revision}: {describe(state)}"
    for name, faults in found.missing.items():
        yield f"{name}: {'; '.join(faults) or 'in sync'}"
    if "gateway" not in found.missing:
        yield "gateway: none; start one with 'hilir gateway run'"
    yield from describe_rollout(state)
    yield from found.figures.lines(state)


def history_lines(store: Store, model: str | None, as_json: bool, at: str | None = None) -> Iterator[str]:
    """Yields what was done and by whom, the newest last.

    Args:
        store: the states.
        model: whose history.
        as_json: an object per line.
        at: a moment: only what was in force then, that is the last event until then.

    Raises:
        ReleaseRefused: nothing had been released at the moment.
    """
    name = choose_model(store, model)
    events = store.read(name).history
    for event in events if at is None else [find_event(name, events, at)]:
        if as_json:
            yield event.model_dump_json()
            continue
        yield f"{event.at}  {describe_event(event)}"


def make_notification(state: State) -> dict[str, Any]:
    """Returns what is sent about the last event of a state."""
    event = state.history[-1]
    text = f"{state.model}: {describe_event(event)}"
    return {"event": event.verb, "text": text, "model": state.model, **event.model_dump(mode="json")}


def describe_event(event: Event) -> str:
    """Returns what a verb did, by whom and why, in one line."""
    version = f" {event.version}" if event.version is not None else ""
    candidate = f", candidate {event.candidate}" if event.candidate is not None else ""
    why = f"  {make_printable(event.why, _LONGEST_WHY)}" if event.why else ""
    by = f"; by {make_printable(event.actor)}" if event.actor else ""
    stable = event.stable or "none"
    return f"{event.verb}{version}: stable {stable}{candidate}; traffic: {_describe_traffic(event)}{by}{why}"


def find_event(model: str, events: Sequence[Event], at: str) -> Event:
    """Returns the last event until a moment, whose labels and traffic were in force then.

    Args:
        model: for the message.
        events: in the order in which they happened.
        at: a date or a time (ISO 8601); without a zone UTC, and a date alone is the end of that day.

    Raises:
        ServingConfigError: it is not a date.
        ReleaseRefused: nothing had been released then.
    """
    moment = read_moment(at)
    found = [event for event in events if datetime.fromisoformat(event.at) <= moment]
    if not found:
        first = f"the first event is of {events[0].at}" if events else "there is no history"
        raise ReleaseRefused(f"{model}: nothing had been released at {moment.isoformat()}; {first}")
    return found[-1]


def read_moment(text: str) -> datetime:
    """Returns the moment that a date or a time means.

    Raises:
        ServingConfigError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ServingConfigError(
            f"--at {make_printable(text)}: not a date; write one like 2026-11-25, 2026-11-25T14:30 or "
            "2026-11-25T14:30+01:00"
        ) from None
    if re.fullmatch(r"[\dW-]+", text.strip()):
        moment += timedelta(days=1, microseconds=-1)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


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
