"""Targets: what follows a release state. Each only observes and applies; the verbs decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hilir.serving.releases.state import State


@dataclass(frozen=True)
class Observation:
    """What a target does at the moment.

    Attributes:
        versions: state of each version on the worst replica, as TensorFlow Serving names states;
            None for a target that loads nothing.
        errors: why versions did not load.
        labels: version by label where all replicas agree; None for a target without labels.
        split: percent of the traffic by version; None for a target that splits nothing.
        replicas: how many there are.
        silent: why replicas do not answer.
    """

    versions: Mapping[int, str] | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    labels: Mapping[str, int] | None = None
    split: Mapping[int, float] | None = None
    replicas: int = 1
    silent: tuple[str, ...] = ()


class Target(Protocol):
    """One thing that serves releases."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def observe(self) -> Observation:
        """Looks; raises nothing because of what it sees."""

    def apply(self, state: State) -> None:
        """Makes the target move towards a stored state, and does not wait for it to arrive."""


def find_missing(state: State, seen: Observation) -> list[str]:
    """Returns what a target still lacks of a state; nothing where it has arrived."""
    missing = list(seen.silent)
    if seen.versions is not None:
        missing += [
            f"version {number} is {seen.versions.get(number, 'unknown')}{_reason(seen, number)}"
            for number in state.loaded
            if seen.versions.get(number) != "AVAILABLE"
        ]
        # A model with nothing to load is not released: it is served at its latest.
        missing += [
            f"version {number} is still {condition}"
            for number, condition in sorted(seen.versions.items())
            if state.loaded and number not in state.loaded and condition in ("AVAILABLE", "UNLOADING")
        ]
    if seen.labels is not None:
        missing += [
            f"label {label} is at {seen.labels.get(label, 'nothing')}, not at {number}"
            for label, number in state.served_labels.items()
            if seen.labels.get(label) != number
        ]
    if seen.split is not None and state.stable is not None and state.traffic != dict(seen.split):
        missing.append(f"the split is {describe_split(seen.split)}, not {describe_split(state.traffic)}")
    return missing


def _reason(seen: Observation, number: int) -> str:
    return f" ({seen.errors[number]})" if number in seen.errors else ""


def describe_split(split: Mapping[int, float]) -> str:
    """Returns a split in words."""
    return ", ".join(f"version {number} {share:g} %" for number, share in sorted(split.items())) or "empty"
