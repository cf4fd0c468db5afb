"""What readers read: pieces of files, and rows of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Piece:
    """A part of a file that can be read on its own; small, as it is all that is sent to a worker.

    Attributes:
        path: the file.
        form: csv, parquet, feather, jsonl or tfrecord.
        size: about how many bytes there are to read.
        start: the first byte of CSV (after decompression) and JSON Lines, the first group of rows of other forms.
        end: where the next piece starts; None: the file's end.
        names: the columns of a CSV file.
        spaced: whether the cells of the CSV file begin with a space, as its header's do.
        parts: the number of pieces of the file.
    """

    path: str
    form: str
    size: int
    start: int = 0
    end: int | None = None
    names: tuple[str, ...] = ()
    spaced: bool = False
    parts: int = 1


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read: its number in the piece, from 0, and what is wrong with it, for the user."""

    row: int
    fault: str


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of a piece.

    Attributes:
        table: the columns: strings where the form has no types of its own.
        numbers: the number of each row in the piece, from 0.
        bad: rows that were left out.
        texts: whether the columns are texts whose types are to be found out.
        records: the rows as the file has them, of TFRecord files.
    """

    table: pa.RecordBatch
    numbers: np.ndarray
    bad: list[BadRow] = field(default_factory=list)
    texts: bool = False
    records: list[bytes] | None = None


def is_list(kind: pa.DataType) -> bool:
    """Returns whether a column of the type has several values in a row."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
