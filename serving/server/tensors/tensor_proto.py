"""TensorProto to numpy arrays and back, with TensorFlow's rules for its typed fields."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from tensorflow.core.framework import tensor_pb2

from hilir.serving.server.status import invalid_argument
from hilir.serving.server.tensors import dtypes

# One value may stand for a whole tensor, so that a request of a few bytes can ask for any amount of memory. It costs
# what the graph makes of it, too: 14 GB of 1 GiB in the taxi model, which parses and scales each column.
_FILLED = 16
# A string is a pointer in the array, and an object of TensorFlow's.
_STRING_BYTES = 64
_MAX_ELEMENTS = 2**63 - 1
Take = Callable[[int], None]
_FIELD: dict[int, str] = {
    dtypes.FLOAT: "float_val",
    dtypes.DOUBLE: "double_val",
    **dict.fromkeys((dtypes.INT32, dtypes.INT16, dtypes.INT8, dtypes.UINT8, dtypes.UINT16), "int_val"),
    dtypes.STRING: "string_val",
    dtypes.COMPLEX64: "scomplex_val",
    dtypes.COMPLEX128: "dcomplex_val",
    dtypes.INT64: "int64_val",
    dtypes.BOOL: "bool_val",
    dtypes.HALF: "half_val",
    dtypes.BFLOAT16: "half_val",
    dtypes.UINT32: "uint32_val",
    dtypes.UINT64: "uint64_val",
}
# dtype -> tag of its packed field (number * 8 + 2), and the numbers' layout
_PACKED: dict[int, tuple[int, str]] = {dtypes.FLOAT: (5 << 3 | 2, "<f4"), dtypes.DOUBLE: (6 << 3 | 2, "<f8")}


class TensorError(ValueError):
    """A TensorProto that is no tensor."""


def from_proto(proto: tensor_pb2.TensorProto, alias: str, take: Take | None = None) -> np.ndarray:
    """The tensor of one input.

    Args:
        proto: the tensor.
        alias: the input's name, for the error.
        take: counts values that were not sent, before they are filled in; None if the sender is trusted.

    Raises:
        StatusError: values, shape and dtype do not fit together.
    """
    try:
        return _from_proto(proto, take)
    except (TensorError, ValueError, OverflowError):
        raise invalid_argument(f"tensor parsing error: {alias}") from None


def _from_proto(proto: tensor_pb2.TensorProto, take: Take | None) -> np.ndarray:
    if proto.dtype not in _FIELD or proto.tensor_shape.unknown_rank:
        raise TensorError
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if any(size < 0 for size in shape) or len(shape) > 64:
        raise TensorError
    count = math.prod(shape)
    numpy_type = _numpy_type(proto.dtype)
    if count > _MAX_ELEMENTS:
        raise TensorError
    if proto.tensor_content and proto.dtype != dtypes.STRING:
        if len(proto.tensor_content) != count * numpy_type.itemsize:
            raise TensorError
        array: np.ndarray = np.frombuffer(proto.tensor_content, dtype=numpy_type)
        return array.reshape(shape)
    return _from_values(proto, count, numpy_type, take).reshape(shape)


def _numpy_type(dtype: int) -> np.dtype:
    if dtype == dtypes.BFLOAT16:
        import ml_dtypes

        bfloat16: np.dtype = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return dtypes.NUMPY[dtype]


def _from_values(proto: tensor_pb2.TensorProto, count: int, numpy_type: np.dtype, take: Take | None) -> np.ndarray:
    """Values of the typed field; a short list repeats its last value, an empty one means zeros."""
    field = getattr(proto, _FIELD[proto.dtype])
    given: np.ndarray
    if proto.dtype in (dtypes.HALF, dtypes.BFLOAT16):
        given = np.fromiter(field, np.int32, len(field)).astype(np.uint16).view(numpy_type)
    elif proto.dtype in (dtypes.COMPLEX64, dtypes.COMPLEX128):
        parts = np.fromiter(field, np.float64, len(field))
        given = (parts[0::2] + 1j * parts[1::2]).astype(numpy_type)
    elif proto.dtype == dtypes.STRING:
        given = np.empty(len(field), dtype=object)
        given[:] = list(field)
    elif _FIELD[proto.dtype] == "int_val":
        given = np.fromiter(field, np.int32, len(field)).astype(numpy_type)
    else:
        given = np.fromiter(field, numpy_type, len(field))
    if len(given) == count:
        return given
    if len(given) > count:
        raise TensorError
    if take is not None:
        size = _STRING_BYTES if proto.dtype == dtypes.STRING else numpy_type.itemsize
        take(_FILLED * size * (count - len(given)))
    filler = given[-1] if len(given) else (b"" if proto.dtype == dtypes.STRING else 0)
    array: np.ndarray = np.full(count, filler, dtype=numpy_type)
    array[: len(given)] = given
    return array


def serialize(array: np.ndarray, as_content: bool = False) -> bytes:
    """An output as a serialized TensorProto: in its typed field, or in `tensor_content` if wished.

    Floats are written without protobuf's help: a packed field is its numbers' bytes.
    """
    dtype = dtypes.number_of(array)
    if as_content or dtype not in _PACKED:
        return bytes(to_proto(array, as_content).SerializeToString())
    dims = b"".join(_nested(0x12, b"\x08" + _varint(size) if size else b"") for size in array.shape)
    tag, numpy_name = _PACKED[dtype]
    content = array.astype(numpy_name, copy=False).tobytes()
    values = _nested(tag, content) if content else b""
    return b"\x08" + _varint(dtype) + _nested(0x12, dims) + values


def to_proto(array: np.ndarray, as_content: bool = False) -> tensor_pb2.TensorProto:
    """An output as TensorProto; strings are never put into `tensor_content`."""
    if not as_content and dtypes.number_of(array) in _PACKED:
        return tensor_pb2.TensorProto.FromString(serialize(array))
    proto = tensor_pb2.TensorProto(dtype=dtypes.number_of(array))
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if proto.dtype == dtypes.STRING:
        flat = array.reshape(-1).tolist()
        proto.string_val.extend(value if isinstance(value, bytes) else str(value).encode() for value in flat)
    elif as_content:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    else:
        _add_values(proto, array.reshape(-1))
    return proto


def _add_values(proto: tensor_pb2.TensorProto, flat: np.ndarray) -> None:
    match proto.dtype:
        case dtypes.HALF | dtypes.BFLOAT16:
            proto.half_val.extend(flat.view(np.uint16).tolist())
        case dtypes.COMPLEX64 | dtypes.COMPLEX128:
            parts = np.stack([flat.real, flat.imag], axis=-1).reshape(-1).tolist()
            getattr(proto, _FIELD[proto.dtype]).extend(parts)
        case _:
            getattr(proto, _FIELD[proto.dtype]).extend(flat.tolist())


def entry(key: str, value: bytes) -> bytes:
    """An entry of a `map<string, message>` that is field 1."""
    return _nested(0x0A, _nested(0x0A, key.encode()) + _nested(0x12, value))


def _nested(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
