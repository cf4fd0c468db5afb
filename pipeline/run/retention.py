"""What of the past stays: which versions and runs, by number, age, and what others depend on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

_AGE = re.compile(r"(\d+)\s*([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Rule:
    """What may be removed: all but the newest `keep`, and of those only what is older than `age`.

    Attributes:
        keep: at least 1.
        age: None for any age.
    """

    keep: int
    age: timedelta | None = None


@dataclass(frozen=True)
class Item:
    """A run or a version: its name, and its age in seconds."""

    name: str
    seconds: float


def parse_age(text: str) -> timedelta:
    """Returns the time that `30d`, `12h` or `2w` means.

    Raises:
        ValueError: it means none.
    """
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"'{text}' is not an age; write hours, days or weeks, for example 12h, 30d or 2w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def choose_kept(items: Sequence[Item], rule: Rule, protected: Iterable[str] = ()) -> set[str]:
    """Returns the names that stay.

    Args:
        items: the newest first.
        rule: says which may go.
        protected: names that stay whatever the rule says.
    """
    newest = {item.name for item in items[: rule.keep]}
    young = set() if rule.age is None else {item.name for item in items if item.seconds < rule.age.total_seconds()}
    return newest | young | (set(protected) & {item.name for item in items})


def find_needed(runs: Iterable[str], touched: Mapping[str, set[int]], pushes: Mapping[int, int | None]) -> set[int]:
    """Returns the artifacts that kept runs need.

    Those are what their steps made, took from the cache or were given, and the record of the push of each model among
    them: the next run finds its baseline, and what data was last pushed, by it.

    Args:
        runs: the runs that stay.
        touched: by run, the artifacts that any of its steps has an event for.
        pushes: by artifact that records a push, the artifact of its model, where it is known.
    """
    needed = set().union(*(touched.get(run, set()) for run in runs))
    return needed | {push for push, model in pushes.items() if model in needed}
