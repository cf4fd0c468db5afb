"""TensorProto to numpy arrays and back, with TensorFlow's rules for its typed fields."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
TENSOR_CONTENT, FLOAT_VAL, DOUBLE_VAL = 4, 5, 6
# dtype -> number of its packed field, and the numbers' layout
_PACKED: dict[int, tuple[int, str]] = {dtypes.FLOAT: (FLOAT_VAL, "<f4"), dtypes.DOUBLE: (DOUBLE_VAL, "<f8")}
# Smaller arrays are copied, which costs less than a view.
_LARGE = 64 << 10
# Between two of them other threads get the interpreter.
_VALUES_AT_ONCE = 1 << 16
Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class SentNumbers:
    """A tensor's numbers as they were sent, in `tensor_content` or a packed field.

    Args:
        field: TENSOR_CONTENT, FLOAT_VAL or DOUBLE_VAL.
        data: their bytes.
    """

    field: int
    data: memoryview


class TensorError(ValueError):
    """A TensorProto that is no tensor."""


def from_proto(
    proto: tensor_pb2.TensorProto, alias: str, take: Take | None = None, sent: SentNumbers | None = None
) -> np.ndarray:
    """The tensor of one input.

    Args:
        proto: the tensor.
        alias: the input's name, for the error.
        take: counts values that were not sent, before they are filled in; None if the sender is trusted.
        sent: its numbers, where they are not in `proto`.

    Raises:
        StatusError: values, shape and dtype do not fit together.
    """
    try:
        return _from_proto(proto, take, sent)
    except (TensorError, ValueError, OverflowError):
        raise invalid_argument(f"tensor parsing error: {alias}") from None


def _from_proto(proto: tensor_pb2.TensorProto, take: Take | None, sent: SentNumbers | None) -> np.ndarray:
    if proto.dtype not in _FIELD or proto.tensor_shape.unknown_rank:
        raise TensorError
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if any(size < 0 for size in shape) or len(shape) > 64:
        raise TensorError
    count = math.prod(shape)
    numpy_type = _numpy_type(proto.dtype)
    if count > _MAX_ELEMENTS:
        raise TensorError
    if proto.dtype != dtypes.STRING:
        # Each access copies it.
        content = sent.data if sent is not None and sent.field == TENSOR_CONTENT else proto.tensor_content
        if content:
            if len(content) != count * numpy_type.itemsize:
                raise TensorError
            array: np.ndarray = np.frombuffer(content, dtype=numpy_type)
            return array.reshape(shape)
    return _fill(_read_values(proto, numpy_type, sent), proto.dtype, count, take).reshape(shape)


def _numpy_type(dtype: int) -> np.dtype:
    if dtype == dtypes.BFLOAT16:
        import ml_dtypes

        bfloat16: np.dtype = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return dtypes.NUMPY[dtype]


def _read_values(proto: tensor_pb2.TensorProto, numpy_type: np.dtype, sent: SentNumbers | None) -> np.ndarray:
    """Values of the typed field."""
    number, layout = _PACKED.get(proto.dtype, (0, ""))
    if sent is not None and sent.field == number:
        numbers: np.ndarray = np.frombuffer(sent.data, dtype=layout)
        return numbers
    field = getattr(proto, _FIELD[proto.dtype])
    given: np.ndarray
    if proto.dtype in (dtypes.HALF, dtypes.BFLOAT16):
        given = _read_numbers(field, np.dtype(np.int32)).astype(np.uint16).view(numpy_type)
    elif proto.dtype in (dtypes.COMPLEX64, dtypes.COMPLEX128):
        parts = _read_numbers(field, np.dtype(np.float64))
        given = (parts[0::2] + 1j * parts[1::2]).astype(numpy_type)
    elif proto.dtype == dtypes.STRING:
        given = np.empty(len(field), dtype=object)
        given[:] = list(field)
    elif _FIELD[proto.dtype] == "int_val":
        given = _read_numbers(field, np.dtype(np.int32)).astype(numpy_type)
    else:
        given = _read_numbers(field, numpy_type)
    return given


def _read_numbers(field: Sequence[float], numpy_type: np.dtype) -> np.ndarray:
    if len(field) <= _VALUES_AT_ONCE:
        few: np.ndarray = np.fromiter(field, numpy_type, len(field))
        return few
    numbers: np.ndarray = np.empty(len(field), numpy_type)
    values = iter(field)
    for start in range(0, len(field), _VALUES_AT_ONCE):
        part = numbers[start : start + _VALUES_AT_ONCE]
        part[:] = np.fromiter(itertools.islice(values, len(part)), numpy_type, len(part))
    return numbers


def _fill(given: np.ndarray, dtype: int, count: int, take: Take | None) -> np.ndarray:
    """All values of a tensor: a short list repeats its last one, an empty one means zeros."""
    if len(given) == count:
        return given
    if len(given) > count:
        raise TensorError
    if take is not None:
        size = _STRING_BYTES if dtype == dtypes.STRING else given.dtype.itemsize
        take(_FILLED * size * (count - len(given)))
    filler = given[-1] if len(given) else (b"" if dtype == dtypes.STRING else 0)
    array: np.ndarray = np.full(count, filler, dtype=given.dtype)
    array[: len(given)] = given
    return array


def serialize(array: np.ndarray, as_content: bool = False) -> list[Buffer]:
    """An output as the pieces of a serialized TensorProto: in its typed field, or in `tensor_content` if wished.

    Numbers in one piece are written without protobuf's help, and those of large arrays without a copy.
    """
    dtype = dtypes.number_of(array)
    number, layout = _PACKED.get(dtype, (0, ""))
    if as_content and dtype != dtypes.STRING:
        number = TENSOR_CONTENT
    if not number:
        return [bytes(to_proto(array, as_content).SerializeToString())]
    dims = b"".join([_nested(0x12, b"\x08" + encode_varint(size) if size else b"") for size in array.shape])
    head = b"\x08" + encode_varint(dtype) + _nested(0x12, dims)
    if not array.size:
        return [head]
    numbers: np.ndarray = array if number == TENSOR_CONTENT else array.astype(layout, copy=False)
    tag = bytes((number << 3 | 2,)) + encode_varint(numbers.nbytes)
    if numbers.nbytes < _LARGE:
        return [head + tag + numbers.tobytes()]
    return [head + tag, np.ascontiguousarray(numbers).reshape(-1).view(np.uint8).data]


def to_proto(array: np.ndarray, as_content: bool = False) -> tensor_pb2.TensorProto:
    """An output as TensorProto; strings are never put into `tensor_content`."""
    dtype = dtypes.number_of(array)
    if dtype != dtypes.STRING and (as_content or dtype in _PACKED):
        return tensor_pb2.TensorProto.FromString(b"".join(serialize(array, as_content)))
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if proto.dtype == dtypes.STRING:
        flat = array.reshape(-1).tolist()
        proto.string_val.extend(value if isinstance(value, bytes) else str(value).encode() for value in flat)
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


def entry(key: str, value: list[Buffer]) -> list[Buffer]:
    """The pieces of an entry of a `map<string, message>` that is field 1."""
    name = _nested(0x0A, key.encode())
    size = sum([len(piece) for piece in value])
    head = name + b"\x12" + encode_varint(size)
    return [b"\x0a" + encode_varint(len(head) + size) + head, *value]


def _nested(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + encode_varint(len(content)) + content


def encode_varint(value: int) -> bytes:
    """A number in the wire format."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
