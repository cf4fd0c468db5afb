"""What requests need to know of a signature's input; importable without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InputSpec:
    """One input of a signature.

    Attributes:
        name: its name in requests.
        dtype: its dtype's number.
        takes_missing: whether a value may be missing, as in models that hilir pushed.
        several: whether a row has a list of values.
        booleans: the strings for false and true, of a column whose strings are those.
    """

    name: str
    dtype: int
    takes_missing: bool = False
    several: bool = False
    booleans: tuple[str, str] | None = None
