"""Missing values in a request to `serving_default`, whose tensors cannot have gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MISSING_INT = -(2**63)

MISSING_VALUES: Mapping[str, Any] = {"float32": float("nan"), "int64": MISSING_INT, "string": b""}
"""What stands for a missing value, by the name of the tensor's type; it also pads rows that have fewer values."""


def is_missing(value: Any) -> bool:
    """Returns whether a plain value stands for a missing one."""
    return value in ("", b"", MISSING_INT) or value != value
