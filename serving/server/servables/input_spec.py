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
    """

    name: str
    dtype: int
    takes_missing: bool = False
