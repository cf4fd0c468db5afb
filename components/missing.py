"""Missing values: columns that may have them, and what stands for them in `serving_default`, whose tensors do not."""

from __future__ import annotations

from collections.abc import Container, Mapping
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


def list_filled(schema: Any) -> dict[str, Any]:
    """Returns the columns of a `schema_pb2.Schema` whose empty cells have a value in their place, and this value."""
    defaults = {
        name: each.dense_tensor.default_value
        for group in schema.tensor_representation_group.values()
        for name, each in group.tensor_representation.items()
        if each.dense_tensor.HasField("default_value") and each.dense_tensor.column_name == name
    }
    return {name: _read_default(each) for name, each in defaults.items()}


def _read_default(default: Any) -> Any:
    """Returns the value, a float with the digits of a float32 alone."""
    value = getattr(default, default.WhichOneof("kind"))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return float(f"{value:.7g}") if isinstance(value, float) else value


def keep_features(schema: Any, names: Container[str]) -> Any:
    """Returns a `schema_pb2.Schema` with these features alone, and with what it says of them."""
    found = type(schema)()
    found.CopyFrom(schema)
    del found.feature[:]
    found.feature.extend(each for each in schema.feature if each.name in names)
    for group in found.tensor_representation_group.values():
        for name in list_filled(schema):
            if name not in names and name in group.tensor_representation:
                del group.tensor_representation[name]
    return found
