"""Fast ways from JSON to numeric arrays; each returns None where the rules of `json_tensor` must decide."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import simdjson

from hilir.serving.server.tensors import dtypes

_LIMITS: dict[int, tuple[int, int]] = {
    **dict.fromkeys(dtypes.SMALL_INTS, (-(2**31), 2**31 - 1)),
    dtypes.INT64: (-(2**63), 2**63 - 1),
    dtypes.UINT32: (0, 2**32 - 1),
    dtypes.UINT64: (0, 2**64 - 1),
}
# Everything but the characters that give a JSON text its structure.
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{},"'))
_MAX_RANK = 8
_KEYS = (["instances"], ["instances", "signature_name"], ["inputs"], ["inputs", "signature_name"])
# A parser keeps some ten times as much memory as its largest document had.
_MAX_KEPT = 8 << 20
_SCANNED = 40
# The interpreter stands still while a call into C runs: each gets this many bytes or numbers.
_PIECE = 4 << 20
_thread = threading.local()
_WIDE: dict[int, tuple[str, str]] = {
    dtypes.FLOAT: ("d", "f8"),
    dtypes.DOUBLE: ("d", "f8"),
    dtypes.UINT64: ("u", "u8"),
}


def to_array(values: list[Any], dtype: int, has_bool: bool) -> np.ndarray | None:
    """A regular (possibly nested) list of numbers as an array.

    Args:
        values: decoded JSON.
        dtype: the wanted dtype's number.
        has_bool: whether a `true` or `false` may hide among the numbers, which numpy would take for 1 or 0.
    """
    if dtype not in _LIMITS and dtype not in (dtypes.FLOAT, dtypes.DOUBLE, dtypes.BOOL):
        return None
    if has_bool and dtype != dtypes.BOOL:
        return None
    try:
        array = np.array(values)
    except (ValueError, OverflowError):
        return None
    if dtype == dtypes.BOOL:
        return array if array.dtype.kind == "b" else None
    return _convert(array, dtype)


def _convert(array: np.ndarray, dtype: int) -> np.ndarray | None:
    kind = array.dtype.kind
    if kind not in "iuf":
        return None
    wanted = dtypes.NUMPY[dtype]
    if dtype in (dtypes.FLOAT, dtypes.DOUBLE) or array.size == 0:
        with np.errstate(over="ignore"):
            return array.astype(wanted, copy=False)
    low, high = _LIMITS[dtype]
    if kind == "f" or int(array.min()) < low or int(array.max()) > high:
        return None
    return array.astype(wanted, copy=False)


def flat_strings(values: list[Any]) -> np.ndarray | None:
    """A flat list of JSON strings as an array of bytes."""
    if not all(type(value) is str for value in values):
        return None
    array: np.ndarray = np.empty(len(values), dtype=object)
    array[:] = [value.encode("utf-8", "surrogateescape") for value in values]
    return array


@dataclass(frozen=True)
class LargeBody:
    """A large request whose `instances` or `inputs` is one regular list of lists of numbers."""

    signature_name: str
    row: bool
    shape: tuple[int, ...]
    array: Any

    def to_array(self, dtype: int) -> np.ndarray | None:
        """The numbers as an array of `dtype`; None if some are not of that type."""
        if dtype not in _LIMITS and dtype not in (dtypes.FLOAT, dtypes.DOUBLE):
            return None
        letter, numpy_name = _WIDE.get(dtype, ("i", "i8"))
        try:
            flat = np.frombuffer(self.array.as_buffer(of_type=letter), dtype=numpy_name)
        except (TypeError, ValueError):
            return None
        if flat.size != math.prod(self.shape):
            return None
        return _convert(flat.reshape(self.shape), dtype)


def scanned_size(body: bytes) -> int:
    """About how many bytes `read_large` takes: a copy, and simdjson's notes and two arrays for each number."""
    return len(body) + _SCANNED * (count(body, b",") + count(body, b"["))


def count(body: bytes, mark: bytes) -> int:
    """How often a single character occurs, in pieces between which other threads get their turn."""
    return sum([body.count(mark, start, start + _PIECE) for start in range(0, len(body), _PIECE)])


def read_large(body: bytes) -> LargeBody | None:
    """Read a body with simdjson, which makes no Python object for a number.

    Its buffer of numbers has lost the lists that they were in, so that the text's own structure is compared
    with the one that the shape demands.
    """
    try:
        document = _parse(body)
        if not isinstance(document, simdjson.Object):
            return None
        keys = sorted(document.keys())
        if keys not in _KEYS:
            return None
        key = keys[0]
        name = document.get("signature_name", "")
        array = document[key]
    except (ValueError, KeyError, RuntimeError):
        return None
    # With these keys, the first bracket that is not in the name is the array's.
    if not isinstance(name, str) or "[" in name or not isinstance(array, simdjson.Array):
        return None
    shape = _shape(array)
    if shape is None or not _is_regular(body, shape):
        return None
    return LargeBody(name, key == "instances", shape, array)


def _parse(body: bytes) -> Any:
    """A document of this thread's parser, whose memory is used again, unless that is a lot or still in use."""
    if len(body) > _MAX_KEPT:
        return simdjson.Parser().parse(body)
    if not hasattr(_thread, "parser"):
        _thread.parser = simdjson.Parser()
    try:
        return _thread.parser.parse(body)
    except RuntimeError:
        return simdjson.Parser().parse(body)


def _shape(array: Any) -> tuple[int, ...] | None:
    shape: list[int] = []
    while isinstance(array, simdjson.Array):
        length = len(array)
        if length == 0 or len(shape) == _MAX_RANK:
            return None
        shape.append(length)
        array = array[0]
    return tuple(shape)


def _is_regular(body: bytes, shape: tuple[int, ...]) -> bool:
    expected = b"".join([b"[", b"," * (shape[-1] - 1), b"]"])
    for width in reversed(shape[:-1]):
        expected = b"".join([b"[", b",".join([expected] * width), b"]"])
    return _structure(body[body.index(b"[") :]).startswith(expected)


def _structure(body: bytes) -> bytes:
    pieces = (body[start : start + _PIECE] for start in range(0, len(body), _PIECE))
    return b"".join(piece.translate(None, _NOT_STRUCTURE) for piece in pieces)
