"""The large tensors of a PredictRequest, read from its wire format in place.

protobuf would copy each twice, while it holds the interpreter. What is cut out of the message here is nothing but
long packed numbers; all else goes through protobuf as ever, as does a message of an unusual form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hilir.serving.server.grpc.message_size import read_varint, skip_number
from hilir.serving.server.tensors.tensor_proto import DOUBLE_VAL, FLOAT_VAL, TENSOR_CONTENT, SentNumbers, encode_varint

# Below this a copy costs less than looking for it.
_LARGE = 64 << 10
_MAX_FIELDS = 1000
_INPUTS = 2 << 3 | 2
_KEY, _VALUE = 1 << 3 | 2, 2 << 3 | 2
_ITEM_BYTES = {TENSOR_CONTENT: 1, FLOAT_VAL: 4, DOUBLE_VAL: 8}
_LENGTH_DELIMITED = 2


def cut_large_tensors(data: bytes) -> tuple[bytes, Mapping[str, SentNumbers]]:
    """A PredictRequest without the numbers of its large tensors, and these by the names of their inputs.

    Args:
        data: the serialized request; what is not one is returned as it is.
    """
    if len(data) < _LARGE:
        return data, {}
    view = memoryview(data)
    pieces: list[bytes | memoryview] = []
    found: dict[str, SentNumbers] = {}
    names: set[str] = set()
    try:
        for tag, first, start, end in _fields(data, 0, len(data)):
            if tag == _INPUTS:
                name, value_start, value_end = _read_entry(data, start, end)
                if name in names:
                    # The last one counts in a map, which protobuf knows best.
                    return data, {}
                names.add(name)
                if value_end - value_start >= _LARGE:
                    kept, sent = _cut(data, view, value_start, value_end)
                    if sent is not None:
                        found[name] = sent
                        pieces.append(_entry(name.encode(), kept))
                        continue
            pieces.append(view[first:end])
    except (IndexError, ValueError):
        return data, {}
    return (b"".join(pieces), found) if found else (data, {})


def _fields(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field's tag, its first byte, where its content starts and where that ends.

    Raises:
        ValueError, IndexError: the message is damaged, or has too many fields to be worth it.
    """
    for _ in range(_MAX_FIELDS):
        if position == end:
            return
        first = position
        tag, position = read_varint(data, position)
        start = position
        if tag & 7 == _LENGTH_DELIMITED:
            length, start = read_varint(data, position)
            position = start + length
        else:
            position = skip_number(data, position, tag & 7)
        if position > end:
            raise ValueError(position)
        yield tag, first, start, position
    raise ValueError(position)


def _read_entry(data: bytes, start: int, end: int) -> tuple[str, int, int]:
    """The key of a map's entry, and where its value lies."""
    fields = list(_fields(data, start, end))
    if [tag for tag, *_ in fields] != [_KEY, _VALUE]:
        raise ValueError(start)
    (_, _, key_start, key_end), (_, _, value_start, value_end) = fields
    return data[key_start:key_end].decode(), value_start, value_end


def _cut(data: bytes, view: memoryview, start: int, end: int) -> tuple[bytes, SentNumbers | None]:
    """A TensorProto without its long numbers, and these; None if they are not in one piece."""
    kept: list[memoryview] = []
    sent: SentNumbers | None = None
    seen: set[int] = set()
    for tag, first, content, last in _fields(data, start, end):
        number = tag >> 3
        if number in _ITEM_BYTES:
            if number in seen or sent is not None:
                return b"", None
            seen.add(number)
            size = last - content
            if tag & 7 == _LENGTH_DELIMITED and size >= _LARGE and size % _ITEM_BYTES[number] == 0:
                sent = SentNumbers(number, view[content:last])
                continue
        kept.append(view[first:last])
    return b"".join(kept), sent


def _entry(key: bytes, value: bytes) -> bytes:
    content = b"".join((b"\x0a", encode_varint(len(key)), key, b"\x12", encode_varint(len(value)), value))
    return b"".join((b"\x12", encode_varint(len(content)), content))
