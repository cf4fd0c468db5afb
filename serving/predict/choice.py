"""Which version a command means by a model's name, a number, both, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hilir.serving.errors import ServingConfigError
from hilir.serving.release.selection import choose_model
from hilir.serving.releases.release_store import Store


@dataclass(frozen=True)
class Choice:
    """A version; `why` is `, stable` or empty."""

    model: str
    version: int
    folder: Path
    why: str = ""


def choose_version(store: Store, model: str | None, word: str | None) -> Choice:
    """Returns the version that is meant.

    Args:
        store: the serving root.
        model: the model, if it was named otherwise.
        word: `taxi`, `3`, `taxi/3`, or None.

    Raises:
        ServingConfigError: there is no such model or version, or it is not clear which one is meant.
    """
    number = None
    if word is not None:
        name, _, digits = word.rpartition("/") if "/" in word else ("", "", word) if word.isdigit() else (word, "", "")
        if digits and not digits.isdigit():
            raise ServingConfigError(f"'{word}' is neither MODEL, VERSION nor MODEL/VERSION, for example taxi/3")
        model, number = name or model, int(digits) if digits else None
    chosen = choose_model(store, model)
    versions = store.versions(chosen)
    why = ""
    if number is None:
        stable = store.read(chosen).stable
        number, why = (stable, ", stable") if stable in versions else (versions[-1], "")
    if number not in versions:
        there = ", ".join(map(str, versions))
        raise ServingConfigError(f"{store.root / chosen}: there is no version {number}; there are: {there}")
    return Choice(chosen, int(number), store.root / chosen / str(number), why)
