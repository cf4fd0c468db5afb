"""Reads JSON Lines: one object a line; the columns are the keys of all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from hilir.components.example_gen.readers.batch import BadRow, Piece, Rows
from hilir.components.example_gen.readers.text import limit, open_bytes

_ROWS = 8_192
_LARGEST = 2**63


def read_json_lines(piece: Piece) -> Iterator[Rows]:
    """Yields the rows of a piece; empty lines are no rows, null is a missing value.

    A column is of whole numbers, numbers or strings in each batch, as its values are; lists hold several values.

    Raises:
        IngestError: the file is compressed and cut off.
    """
    with limit(open_bytes(piece.path), piece.start, piece.end) as stream:
        lines = enumerate(line for line in _lines(stream) if line.strip())
        while chunk := list(islice(lines, _ROWS)):
            rows: list[dict[str, Any]] = []
            numbers: list[int] = []
            bad: list[BadRow] = []
            for number, line in chunk:
                row = _parse(line)
                if isinstance(row, str):
                    bad.append(BadRow(number, row))
                else:
                    rows.append(row)
                    numbers.append(number)
            yield Rows(_table(rows), np.array(numbers, np.int64), bad)


def find_row(path: str, start: int) -> int:
    """Returns where the first line begins after `start`."""
    with open_bytes(path) as stream:
        stream.seek(start - 1)
        while data := stream.read(1 << 20):
            end = data.find(b"\n")
            if end >= 0:
                return start + end
            start += len(data)
    return start


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while data := stream.read(1 << 20):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    yield rest


def _parse(line: bytes) -> dict[str, Any] | str:
    """Returns the row, or what is wrong with it."""
    try:
        row = json.loads(line)
    except UnicodeDecodeError as error:
        return f"contains the byte 0x{line[error.start]:02x}, which is not UTF-8; save the file as UTF-8"
    except ValueError as error:
        return f"is not JSON ({error}): {line[:80].decode(errors='replace')!r}; fix or remove it"
    if not isinstance(row, dict):
        return f"is not a JSON object: {line[:80].decode(errors='replace')!r}; fix or remove it"
    for name, value in row.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict | list):
                return f"column '{name}' contains an object or a list of lists; flatten it, or write it as a string"
    return row


def _table(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays = [_column([row.get(name) for row in rows]) for name in names]
    if not names:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _column(values: list[Any]) -> pa.Array:
    several = any(isinstance(value, list) for value in values)
    flat = [each for value in values for each in (value if isinstance(value, list) else [value]) if each is not None]
    kind = _kind(flat)
    if several:
        lists = [value if isinstance(value, list) else None if value is None else [value] for value in values]
        return pa.array(
            [None if value is None else [_cast(each, kind) for each in value] for value in lists], pa.list_(kind)
        )
    return pa.array([_cast(value, kind) for value in values], kind)


def _kind(values: list[Any]) -> pa.DataType:
    if not values:
        return pa.null()
    kinds = {type(value) for value in values}
    if kinds <= {bool}:
        return pa.bool_()
    if kinds <= {int, bool} and all(-_LARGEST <= value < _LARGEST for value in values):
        return pa.int64()
    if kinds <= {int, float, bool} and float in kinds:
        return pa.float64()
    return pa.string()


def _cast(value: Any, kind: pa.DataType) -> Any:
    if value is None or kind == pa.null():
        return None
    if kind == pa.string():
        return value if isinstance(value, str) else json.dumps(value)
    return int(value) if kind == pa.int64() else float(value) if kind == pa.float64() else value
