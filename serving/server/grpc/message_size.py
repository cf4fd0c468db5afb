"""How much memory a serialized message becomes when it is parsed, from its fields, without parsing it.

The wire format: https://protobuf.dev/programming-guides/encoding/. A message of two bytes can become an object of
some fifty, so that a bound on what is sent bounds nothing.
"""

from __future__ import annotations

from typing import Any

# Smaller messages are not worth a look: they become 1 MB at the most.
SMALL = 16 << 10
# About 50 ms; what lies behind so many fields counts as the worst that it can be.
_MAX_FIELDS = 100_000
_WORST = 48
_OBJECT = 64
_NUMBER = 24
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def parsed_size(descriptor: Any, data: bytes) -> int:
    """An upper estimate in bytes, of the parsed message and of the arrays that are made of it.

    Args:
        descriptor: the message's descriptor.
        data: the message; what is not one costs nothing, since parsing it ends there.
    """
    if len(data) < SMALL:
        return 0
    size, fields = 0, 0
    todo = [(descriptor, 0, len(data))]
    try:
        while todo:
            kind, position, end = todo.pop()
            while position < end:
                fields += 1
                if fields > _MAX_FIELDS:
                    return size + _WORST * (end - position + sum([last - first for _, first, last in todo]))
                key, position = read_varint(data, position)
                wire = key & 7
                if wire != _BYTES:
                    position = skip_number(data, position, wire)
                    size += _NUMBER
                    continue
                length, position = read_varint(data, position)
                field = kind.fields_by_number.get(key >> 3)
                if field is not None and field.message_type is not None:
                    todo.append((field.message_type, position, min(position + length, end)))
                    size += _OBJECT
                else:
                    size += _OBJECT + _leaf_size(field, length)
                position += length
    except (IndexError, ValueError):
        return size
    return size


def _leaf_size(field: Any, length: int) -> int:
    """Bytes and strings are copied twice; a packed number of one byte becomes one of eight, twice."""
    if field is None or field.type in (field.TYPE_BYTES, field.TYPE_STRING):
        return 2 * length
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE, field.TYPE_FIXED32, field.TYPE_FIXED64):
        return 3 * length
    return _NUMBER * length


def skip_number(data: bytes, position: int, wire: int) -> int:
    """Where the field after a number begins.

    Raises:
        ValueError: the wire type is not that of a number.
    """
    if wire == _VARINT:
        return read_varint(data, position)[1]
    if wire not in _FIXED:
        raise ValueError(wire)
    return position + _FIXED[wire]


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """A number, and where the next thing begins.

    Raises:
        IndexError: the data end within it.
        ValueError: it has more than 64 bits.
    """
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError(value)
