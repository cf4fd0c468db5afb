"""What an endpoint remembers in its labels: the last push, what served before it, and what was rolled back.

Each label is set in the request that changes the traffic, so that it is there exactly if the change took place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

LAST = "hilir-version"
"""The last version that a push gave traffic; so a push that is repeated does not undo a rollback."""
PREVIOUS = "hilir-previous"
"""The versions that had traffic just before that push, the one with most of it first: where a rollback goes to."""
ROLLED_BACK = "hilir-rolled-back"
"""The versions that a rollback took the traffic of: none goes back to them, and they are removed first."""

# https://cloud.google.com/vertex-ai/docs/general/labels: a value has at most 63 characters.
_LONGEST = 63


def read_last(labels: Mapping[str, str]) -> int:
    """Returns the last version that a push gave traffic, 0 if there is none."""
    return next(iter(_read(labels, LAST)), 0)


def read_previous(labels: Mapping[str, str]) -> tuple[int, ...]:
    """Returns what served before the last push, the version with most of the traffic first."""
    return _read(labels, PREVIOUS)


def read_rolled_back(labels: Mapping[str, str]) -> frozenset[int]:
    """Returns the versions that were rolled back."""
    return frozenset(_read(labels, ROLLED_BACK))


def after_push(labels: Mapping[str, str], number: int, shares: Mapping[int, int]) -> dict[str, str]:
    """Returns the labels that change with a push.

    Args:
        labels: the endpoint's before it.
        number: the version that is pushed.
        shares: percent by version before it.
    """
    before = sorted((other for other in shares if other != number), key=lambda other: (-shares[other], -other))
    bad = read_rolled_back(labels) - {number}
    return {LAST: str(number), PREVIOUS: _write(before), ROLLED_BACK: _write(sorted(bad, reverse=True))}


def after_rollback(labels: Mapping[str, str], bad: int) -> dict[str, str]:
    """Returns the label that changes when the traffic of `bad` is taken; the same when it is done again."""
    return {ROLLED_BACK: _write(sorted(read_rolled_back(labels) | {bad}, reverse=True))}


def after_split(labels: Mapping[str, str], serving: Collection[int]) -> dict[str, str]:
    """Returns the label that changes when someone gives versions traffic: those are good again."""
    return {ROLLED_BACK: _write(sorted(read_rolled_back(labels) - set(serving), reverse=True))}


def order_for_keeping(numbers: Iterable[int], labels: Mapping[str, str]) -> list[int]:
    """Returns the versions, the one to keep longest first: the newest first, and last what was rolled back."""
    bad = read_rolled_back(labels)
    return sorted(numbers, key=lambda number: (number in bad, -number))


def _read(labels: Mapping[str, str], key: str) -> tuple[int, ...]:
    return tuple(int(part) for part in labels.get(key, "").split("_") if part.isdigit())


def _write(numbers: Iterable[int]) -> str:
    """Returns as many of the first numbers as a label can hold."""
    text = ""
    for number in numbers:
        longer = f"{text}_{number}" if text else str(number)
        if len(longer) > _LONGEST:
            break
        text = longer
    return text
