"""JSON values to numpy arrays by the rules of util/json_tensor.cc: its order of checks, its error texts."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from hilir.serving.server.rest.json.json_text import debug_string, type_name
from hilir.serving.server.servables.input_spec import InputSpec
from hilir.serving.server.status import Code, StatusError, invalid_argument
from hilir.serving.server.tensors import dtypes

# numpy's own limit on dimensions; TensorFlow's is 254, and no kernel takes more than 8.
MAX_RANK = 64
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def is_base64_object(value: Any) -> bool:
    """True for exactly `{"b64": "<text>"}`."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(value: Any) -> bytes:
    """The bytes of a `{"b64": ...}` object.

    Raises:
        StatusError: it is some other object, or not base64.
    """
    if not is_base64_object(value):
        raise invalid_argument(f"JSON Value: {debug_string(value)} not formatted correctly for base64 data")
    text = re.sub(r"\s", "", value["b64"])
    if not _BASE64.fullmatch(text):
        raise invalid_argument("Unable to base64 decode")
    bare = text.rstrip("=")
    # absl accepts missing padding, and refuses wrong padding.
    if len(text) != len(bare) and len(text) % 4:
        raise invalid_argument("Unable to base64 decode")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        raise invalid_argument("Unable to base64 decode") from None


def type_error(value: Any, dtype: int) -> StatusError:
    """A value that its tensor cannot hold."""
    return invalid_argument(
        f"JSON Value: {debug_string(value)} Type: {type_name(value)} is not of expected type: {dtypes.name(dtype)}"
    )


def dense_shape(value: Any) -> list[int]:
    """The shape that the first element of each level promises (GetDenseTensorShape).

    Raises:
        StatusError: more levels than an array can have.
    """
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > MAX_RANK:
            raise invalid_argument(f"Tensor has more than {MAX_RANK} dimensions")
        if not value:
            break
        value = value[0]
    return shape


def fill(value: Any, level: int, shape: list[int], dtype: int, out: list[Any]) -> None:
    """Append the leaves of `value` to `out` (FillTensorProto).

    Raises:
        StatusError: ragged lists, or a leaf of another type.
    """
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid_argument(
                f"JSON Value: {debug_string(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {rank}"
            )
        out.append(_leaf(value, dtype))
        return
    if level >= rank:
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        fill(item, level + 1, shape, dtype, out)


def _leaf(value: Any, dtype: int) -> Any:
    if isinstance(value, dict):
        if dtype == dtypes.STRING:
            return decode_base64(value)
        raise type_error(value, dtype)
    if dtype in _CHECKS:
        if not _CHECKS[dtype](value):
            raise type_error(value, dtype)
        return value.encode("utf-8", "surrogateescape") if dtype == dtypes.STRING else value
    raise StatusError(
        Code.UNIMPLEMENTED, f"Conversion of JSON Value: {debug_string(value)} to type: {dtypes.name(dtype)}"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _within(low: int, high: int) -> Any:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


_INT32 = _within(-(2**31), 2**31 - 1)
_CHECKS: dict[int, Any] = {
    dtypes.FLOAT: _is_number,
    dtypes.DOUBLE: _is_number,
    **dict.fromkeys(dtypes.SMALL_INTS, _INT32),
    dtypes.INT64: _within(-(2**63), 2**63 - 1),
    dtypes.UINT32: _within(0, 2**32 - 1),
    dtypes.UINT64: _within(0, 2**64 - 1),
    dtypes.BOOL: lambda value: isinstance(value, bool),
    dtypes.STRING: lambda value: isinstance(value, str),
}


def to_array(leaves: list[Any], shape: list[int], dtype: int) -> np.ndarray:
    """Checked leaves as an array; small integers wrap, floats round or overflow to infinity, silently."""
    if dtype == dtypes.STRING:
        array: np.ndarray = np.empty(len(leaves), dtype=object)
        array[:] = leaves
        return array.reshape(shape)
    if dtype in dtypes.SMALL_INTS:
        small: np.ndarray = np.array(leaves, dtype=np.int32).astype(dtypes.NUMPY[dtype])
        return small.reshape(shape)
    with np.errstate(over="ignore"):
        wide = np.float64 if dtype == dtypes.FLOAT else dtypes.NUMPY.get(dtype, np.dtype(np.float64))
        numbers: np.ndarray = np.array(leaves, dtype=wide)
        array = numbers.astype(dtypes.NUMPY.get(dtype, wide), copy=False)
        return array.reshape(shape)


def column_to_array(value: Any, dtype: int) -> np.ndarray:
    """One input of a request in column format."""
    shape = dense_shape(value)
    leaves: list[Any] = []
    fill(value, 0, shape, dtype, leaves)
    return to_array(leaves, shape, dtype)


class _Rows:
    """Collects the elements of `instances` into one array per input (AddInstanceItem)."""

    def __init__(self, specs: Mapping[str, InputSpec]) -> None:
        self.specs = specs
        self.leaves: dict[str, list[Any]] = {}
        self.sizes: dict[str, int] = {}
        self.shapes: dict[str, list[int]] = {}

    def add(self, item: Any, name: str) -> None:
        spec = self.specs.get(name)
        if spec is None:
            raise invalid_argument(f"JSON object: does not have named input: {name}")
        shape = dense_shape(item)
        out = self.leaves.setdefault(name, [])
        before = len(out)
        fill(item, 0, shape, spec.dtype, out)
        size = len(out) - before
        if name not in self.sizes:
            self.sizes[name], self.shapes[name] = size, shape
        elif self.sizes[name] != size:
            raise invalid_argument(f"Expecting tensor size: {self.sizes[name]} but got: {size}")
        elif self.shapes[name] != shape:
            raise invalid_argument(f"Expecting shape {_shape_text(self.shapes[name])} but got: {_shape_text(shape)}")

    def arrays(self, count: int) -> dict[str, np.ndarray]:
        return {
            name: to_array(leaves, [count, *self.shapes[name]], self.specs[name].dtype)
            for name, leaves in self.leaves.items()
        }


def _shape_text(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def rows_to_arrays(instances: list[Any], specs: Mapping[str, InputSpec]) -> dict[str, np.ndarray]:
    """A request's `instances` (FillTensorMapFromInstancesList).

    Raises:
        StatusError: elements that do not agree with the signature or with each other.
    """
    if not isinstance(instances[0], dict) and len(specs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    as_objects = _is_plain_object(instances[0])
    rows = _Rows(specs)
    only_name = next(iter(specs))
    for number, item in enumerate(instances):
        if as_objects:
            _add_object(rows, item, number)
            continue
        if _is_plain_object(item):
            raise invalid_argument(f"Expecting value/list but got object at item {number} of input list")
        try:
            rows.add(item, only_name)
        except StatusError as error:
            raise invalid_argument(f"Failed to process element: {number} of 'instances' list. Error: {error}") from None
    return rows.arrays(len(instances))


def _is_plain_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64_object(value)


def _add_object(rows: _Rows, item: Any, number: int) -> None:
    if not _is_plain_object(item):
        raise invalid_argument(f"Expecting object but got list at item {number} of input list")
    for name, value in item.items():
        try:
            rows.add(value, name)
        except StatusError as error:
            raise invalid_argument(
                f"Failed to process element: {number} key: {name} of 'instances' list. Error: {error}"
            ) from None
    if item.keys() != rows.specs.keys():
        raise invalid_argument(
            f"Failed to process element: {number} of 'instances' list. JSON object: {debug_string(item)} "
            f"keys must be equal to: {','.join(sorted(rows.specs))}"
        )
