"""Missing values: columns that may have them, and what stands for them in `serving_default`, whose tensors do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MISSING_INT = -(2**63)

MISSING_VALUES: Mapping[str, Any] = {"float32": float("nan"), "int64": MISSING_INT, "string": b""}
"""What stands for a missing value, by the name of the tensor's type; it also pads rows that have fewer values."""


def is_missing(value: Any) -> bool:
    """Returns whether a plain value stands for a missing one."""
    return value in ("", b"", MISSING_INT) or value != value


def has_one_value(feature: Any) -> bool:
    """Returns whether a feature of a schema, a `schema_pb2.Feature`, has one value a row at most."""
    if feature.HasField("shape"):
        return all(dimension.size == 1 for dimension in feature.shape.dim)
    return bool(feature.value_count.max == 1)
