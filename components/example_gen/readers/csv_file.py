"""Reads a piece of a CSV file as batches of strings."""

from __future__ import annotations

import csv as python_csv
import io
from collections import deque
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from hilir.analysis.text import show_unprintable
from hilir.components.errors import IngestError
from hilir.components.example_gen.readers.batch import BadRow, Piece, Rows
from hilir.components.example_gen.readers.streams import find_encoding, limit, open_bytes, transcode
from hilir.components.example_gen.settings import CsvSettings

# Bytes parsed at a time; a row that is longer cannot be read.
_BLOCK = 8 << 20


def read_csv(piece: Piece, settings: CsvSettings) -> Iterator[Rows]:
    """Yields the rows of a piece as strings, an empty cell as null; rows that cannot be read are left out and named.

    Raises:
        IngestError: the file is not CSV at all, or compressed and cut off.
    """
    ragged: deque[BadRow] = deque()

    def note(row: csv.InvalidRow) -> str:
        fault = (
            f"has {row.actual_columns} cells where the header has {row.expected_columns}: "
            f"{row.text[:80]!r}; fix or remove it"
        )
        ragged.append(BadRow(row.number - 1, fault))
        return "skip"

    with _open(piece, settings) as stream:
        begin, last = 0, None
        counted = _Counted(stream, settings.quote)
        for batch in _parse(piece, counted, settings, note):
            last = batch.slice(batch.num_rows - 1) if batch.num_rows else last
            # Arrow reads ahead: what it left out so far may come after the rows of this batch.
            end, bad = begin + batch.num_rows, []
            while ragged and ragged[0].row < end:
                bad.append(ragged.popleft())
                end += 1
            numbers = np.setdiff1d(np.arange(begin, end), [each.row for each in bad], assume_unique=True)
            batch, numbers, unreadable = _without_bad_text(batch, numbers)
            begin = end
            yield Rows(_trimmed(batch) if piece.spaced else batch, numbers, bad=bad + unreadable, texts=True)
        if last is not None and counted.is_open(last.column(last.num_columns - 1)[0].as_buffer()):
            raise IngestError(
                f"{piece.path}: row {begin:,} has a quote that is never closed; correct the file, "
                f"or set data.csv.quote: null if quotes have no meaning in it"
            )
        if ragged:
            none = pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in piece.names})
            yield Rows(none, np.array([], np.int64), bad=list(ragged), texts=True)


class _Counted:
    """A stream that counts quotes: Arrow takes what follows one that is never closed, to the file's end, for a cell."""

    closed = False

    def __init__(self, stream: BinaryIO, quote: str | None) -> None:
        self._stream, self._quote = stream, (quote or "").encode()
        self._odd, self._end = False, b""

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes."""
        data = self._stream.read(size)
        if data and self._quote:
            self._odd ^= bool(data.count(self._quote) % 2)
            self._end = data.rstrip(b"\r\n")[-1:] or self._end
        return data

    def is_open(self, cell: pa.Buffer | None) -> bool:
        """Returns whether the quote of the file's last cell, given as its bytes, is never closed."""
        return self._odd and self._end != self._quote and cell is not None and b"\n" in cell.to_pybytes()


def _parse(
    piece: Piece, stream: _Counted, settings: CsvSettings, note: Callable[[csv.InvalidRow], str]
) -> Iterator[pa.RecordBatch]:
    try:
        # With one thread, so that the rows that are left out have numbers.
        yield from csv.open_csv(
            pa.PythonFile(stream, "r"),
            read_options=csv.ReadOptions(column_names=list(piece.names), block_size=_BLOCK, use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=settings.delimiter,
                quote_char=settings.quote or False,
                escape_char=settings.escape or False,
                newlines_in_values=settings.quote is not None,
                invalid_row_handler=note,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(piece.names, pa.string()),
                check_utf8=False,
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):
            raise _explain(piece, error) from None


def _open(piece: Piece, settings: CsvSettings) -> BinaryIO:
    encoding = find_encoding(piece.path, settings.encoding)
    stream = limit(open_bytes(piece.path, encoding), piece.start, piece.end)
    if not encoding.startswith(("utf-8", "ascii", "utf-16", "utf-32")):
        stream = transcode(piece.path, stream, encoding)
    return stream


def _trimmed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the cells of a file like `a, b` without the space that follows the delimiter."""
    arrays = [pc.utf8_ltrim(column, " ") for column in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _without_bad_text(batch: pa.RecordBatch, numbers: np.ndarray) -> tuple[pa.RecordBatch, np.ndarray, list[BadRow]]:
    """Returns the rows that are UTF-8 with their numbers, and those that are not."""
    bad: dict[int, BadRow] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            for row, value in enumerate(column.cast(pa.binary())):
                try:
                    (value.as_py() or b"").decode()
                except UnicodeDecodeError as error:
                    fault = (
                        f"column '{name}' contains the byte 0x{error.object[error.start]:02x}, which is not UTF-8; "
                        f"set data.csv.encoding (for example to latin-1), or save the file as UTF-8"
                    )
                    bad.setdefault(row, BadRow(int(numbers[row]), fault))
    if not bad:
        return batch, numbers, []
    keep = np.array([row not in bad for row in range(batch.num_rows)])
    return batch.filter(pa.array(keep)), numbers[keep], list(bad.values())


def _explain(piece: Piece, error: pa.ArrowInvalid) -> IngestError:
    message = str(error)
    shown = show_unprintable(message)
    if "straddling" in message or "try to increase block size" in message:
        return IngestError(
            f"{piece.path}: has a row of more than {_BLOCK >> 20} MB, or a quote that is never closed; "
            f"correct the file, or set data.csv.quote: null if quotes have no meaning in it"
        )
    return IngestError(f"{piece.path}: is not a CSV file that can be read: {shown}; correct the file")


def find_line(piece: Piece, row: int, settings: CsvSettings) -> int:
    """Returns the number of the line in which a row ends, from 1; reads the file again up to there, one row at a time.

    Args:
        piece: the whole file or a part of it.
        row: the row's number in the piece, from 0.
        settings: the dialect.
    """
    first = 1
    if piece.start:
        encoding = find_encoding(piece.path, settings.encoding)
        with limit(open_bytes(piece.path, encoding), 0, piece.start) as before:
            while data := before.read(1 << 20):
                first += data.count(b"\n") or data.count(b"\r")
    with _open(piece, settings) as stream:
        text = io.TextIOWrapper(io.BufferedReader(cast(io.RawIOBase, stream)), "utf-8", "replace", newline="")
        reader = python_csv.reader(
            text,
            delimiter=settings.delimiter,
            quotechar=settings.quote or '"',
            quoting=python_csv.QUOTE_MINIMAL if settings.quote else python_csv.QUOTE_NONE,
            escapechar=settings.escape,
        )
        cells = (cells for cells in reader if cells)
        for _ in range(row + 1):
            if next(cells, None) is None:
                break
        return first + reader.line_num - 1
