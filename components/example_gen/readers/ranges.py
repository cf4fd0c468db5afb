"""Cuts CSV files into byte ranges that begin and end between rows, though cells may contain line ends.

A block counts its quotes without knowing whether it begins inside a quoted cell; that follows from the blocks before it
(RFC 4180: a quoted cell has an even number of quotes, doubled ones included). By induction the parity is what a parser
sees if each quote that opens a cell, one that an even number precedes, stands after a delimiter, a line end or a quote:
a quote in the middle of an unquoted cell (5" pipe) does not, and the file is read in one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hilir.components.example_gen.readers.streams import open_plain

_LINE_ENDS = (10, 13)


@dataclass(frozen=True)
class Block:
    """What a block knows of itself; pairs are for a block that begins outside and inside a quoted cell.

    Attributes:
        quotes: how many there are.
        regular: whether each quote that opens a cell stands where a cell begins.
        row: where in the file the first row that begins in the block does, after a line end; None: none does.
    """

    quotes: int
    regular: tuple[bool, bool]
    row: tuple[int | None, int | None]


def list_blocks(start: int, size: int, block: int) -> list[tuple[int, int]]:
    """Returns where the blocks of a file begin and end; all have the same size, at most `block`."""
    count = max(1, -(-(size - start) // block))
    begins = [start + index * (size - start) // count for index in range(count)]
    return list(zip(begins, [*begins[1:], size], strict=True))


def examine_block(path: str, start: int, end: int, delimiter: str, quote: str | None) -> Block:
    """Returns what there is to know of the bytes from `start` to `end`."""
    with open_plain(path) as file:
        # One byte more, as it decides whether a quote that comes first opens a cell.
        file.seek(max(start - 1, 0))
        data = np.frombuffer(file.read(end - max(start - 1, 0)), np.uint8)
    before, data = (data[0], data[1:]) if start else (10, data)
    lines = np.flatnonzero(data == 10)
    if quote is None:
        row = int(lines[0]) + start + 1 if len(lines) else None
        return Block(0, (True, True), (row, row))
    quotes = np.flatnonzero(data == ord(quote))
    allowed = np.array([*_LINE_ENDS, ord(delimiter), ord(quote)], np.uint8)
    preceding = np.where(quotes > 0, data[quotes - 1], before)
    opens = np.isin(preceding, allowed)
    parities = np.searchsorted(quotes, lines) % 2
    rows: list[int | None] = []
    for inside in (0, 1):
        ends = lines[parities == inside]
        rows.append(int(ends[0]) + start + 1 if len(ends) else None)
    regular = (bool(opens[0::2].all()), bool(opens[1::2].all()))
    return Block(len(quotes), regular, (rows[0], rows[1]))


def cut(start: int, size: int, blocks: Sequence[Block]) -> list[tuple[int, int]] | None:
    """Returns the ranges of a file's rows; None: the quotes do not tell where rows begin.

    Args:
        start: where the first row begins.
        size: of the file.
        blocks: of the file from `start` on.
    """
    begins, inside = [start], 0
    for index, block in enumerate(blocks):
        if not block.regular[inside]:
            return None
        row = block.row[inside]
        if index and row is not None and begins[-1] < row < size:
            begins.append(row)
        inside = (inside + block.quotes) % 2
    if inside:
        return None
    return list(zip(begins, [*begins[1:], size], strict=True))
