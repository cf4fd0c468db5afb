"""What requests need to know of a signature's input; importable without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InputSpec:
    """One input of a signature: its name in requests, and its dtype's number."""

    name: str
    dtype: int
