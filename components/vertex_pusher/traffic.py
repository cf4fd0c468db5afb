"""Traffic splits of an endpoint: pure functions; each split that they return sums to 100."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

Split = dict[str, int]
"""Percent of the requests by the id of a deployed model; what has none is left out."""


def check(split: Mapping[str, int]) -> Split:
    """Returns the split without zeros.

    Raises:
        ValueError: a share is not a percentage, or they do not add up to 100.
    """
    if any(share < 0 for share in split.values()) or sum(split.values()) != 100:
        raise ValueError(f"the shares {dict(split)} are not percentages that sum to 100")
    return {key: share for key, share in split.items() if share}


def scale(shares: Mapping[str, int], total: int) -> Split:
    """Returns whole shares in the same proportions that sum to `total` (largest remainder method, ties by key)."""
    present = {key: share for key, share in shares.items() if share > 0}
    whole = sum(present.values())
    if not whole:
        return {}
    exact = {key: share * total / whole for key, share in present.items()}
    rounded = {key: int(value) for key, value in exact.items()}
    rest = total - sum(rounded.values())
    for key in sorted(exact, key=lambda key: (rounded[key] - exact[key], key))[:rest]:
        rounded[key] += 1
    return rounded


def give(split: Mapping[str, int], new: str, share: int) -> Split:
    """Returns the split with `share` percent for `new`, the others in their proportions; alone, it gets everything."""
    others = {key: value for key, value in split.items() if key != new and value > 0}
    if not others:
        return {new: 100}
    return check({**scale(others, 100 - share), new: share})


def take_back(
    split: Mapping[str, int],
    newest_first: list[str],
    preferred: Sequence[str] = (),
    refused: Collection[str] = (),
) -> Split | None:
    """Returns the split of a rollback, or None where nothing older is deployed that may be gone back to.

    The newest that has traffic loses it to the others that have some; if it has all, to an older one.

    Args:
        split: the present one.
        newest_first: the ids of the versions that are deployed.
        preferred: the ids to go back to, the best first; without one of them it is the next older version.
        refused: the ids that must not be gone back to.
    """
    serving = [key for key in newest_first if split.get(key)]
    if not serving:
        return None
    bad = serving[0]
    others = {key: value for key, value in split.items() if key != bad and value > 0}
    if others:
        return scale(others, 100)
    older = [key for key in newest_first[newest_first.index(bad) + 1 :] if key not in refused]
    best = [*(key for key in preferred if key in older), *older]
    return {best[0]: 100} if best else None


def find_expired(best_first: list[int], needed: Collection[int], keep: int) -> list[int]:
    """Returns the versions beyond the first `keep` that are not needed, the oldest first."""
    return sorted(version for version in best_first[keep:] if version not in needed)
