"""Reads JSON Lines: one object a line; the columns are the keys of all of them, and of the objects within them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from hilir.analysis.objects import flatten
from hilir.components.example_gen.readers.batch import BadRow, Piece, Rows
from hilir.components.example_gen.readers.streams import limit, open_bytes

_ROWS = 8_192
_LARGEST = 2**63
_NESTED = pa.list_(pa.struct([]))


def read_json_lines(piece: Piece, dropped: Collection[str] = ()) -> Iterator[Rows]:
    """Yields the rows of a piece; empty lines are no rows, null is a missing value.

    A column is of whole numbers, numbers or strings in each batch, as its values are; lists hold several values.
    Columns that are to be left out may be anything.

    Raises:
        IngestError: the file is compressed and cut off.
    """
    with limit(open_bytes(piece.path), piece.start, piece.end) as stream:
        lines = enumerate(line for line in _lines(stream) if line.strip())
        while chunk := list(islice(lines, _ROWS)):
            rows: list[Mapping[str, Any]] = []
            numbers: list[int] = []
            bad: list[BadRow] = []
            for number, line in chunk:
                row = _parse(line, dropped)
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


def _parse(line: bytes, dropped: Collection[str]) -> Mapping[str, Any] | str:
    """Returns the row, or what is wrong with it."""
    try:
        row = json.loads(line)
    except UnicodeDecodeError as error:
        return f"contains the byte 0x{line[error.start]:02x}, which is not UTF-8; save the file as UTF-8"
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        return f"is not JSON ({reason}): {line[:80].decode(errors='replace')!r}; fix or remove it"
    if not isinstance(row, dict):
        return f"is not a JSON object: {line[:80].decode(errors='replace')!r}; fix or remove it"
    try:
        return flatten(row, dropped)
    except ValueError as error:
        return str(error)


def _table(rows: list[Mapping[str, Any]]) -> pa.RecordBatch:
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays = [_column([row.get(name) for row in rows]) for name in names]
    if not names:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _column(values: list[Any]) -> pa.Array:
    several = any(isinstance(value, list) for value in values)
    flat = [each for value in values for each in (value if isinstance(value, list) else [value]) if each is not None]
    if any(isinstance(each, dict | list) for each in flat):
        # Only what a column is that cannot be used.
        return pa.array([None if value is None else [{}] for value in values], _NESTED)
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
