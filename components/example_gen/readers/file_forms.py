"""Tells what form a file has, cuts it into pieces, and reads a piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hilir.components.errors import EmptyFileError, IngestError
from hilir.components.example_gen.readers import columnar, csv_file, json_lines, tfrecord
from hilir.components.example_gen.readers.batch import Piece, Rows
from hilir.components.example_gen.readers.csv_header import read_header
from hilir.components.example_gen.readers.ranges import list_blocks
from hilir.components.example_gen.readers.streams import (
    compression_of,
    find_encoding,
    is_cuttable,
    open_plain,
    size_of,
)
from hilir.components.example_gen.settings import CsvSettings, ReadSettings

_FORMS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
    ".tfr": "tfrecord",
}
_MAGIC = {b"PAR1": "parquet", b"ARROW1": "feather"}
# How many bytes there are in one byte of a compressed file, about.
_COMPRESSION = 5


def form_of(path: str, wanted: str) -> str:
    """Returns the form of a file: the one that is wanted; `auto`: by its name, then by its first bytes, else CSV."""
    if wanted != "auto":
        return wanted
    name = path.rpartition("/")[2].lower()
    for suffix in (".gz", ".zst", ".bz2"):
        name = name.removesuffix(suffix)
    for suffix, form in _FORMS.items():
        if name.endswith(suffix):
            return form
    if "_tfrecord-" in name:
        return "tfrecord"
    with open_plain(path) as file:
        head = file.read(8)
    return next((form for magic, form in _MAGIC.items() if head.startswith(magic)), "csv")


def dialect_of(path: str, settings: CsvSettings) -> CsvSettings:
    """Returns the dialect of a CSV file; the columns of `.tsv` files are separated by tabs."""
    tabs = ".tsv" in path.rpartition("/")[2].lower() and settings.delimiter == ","
    return settings.model_copy(update={"delimiter": "\t"}) if tabs else settings


def list_pieces(path: str, settings: ReadSettings, block: int) -> tuple[list[Piece], tuple[str, ...]]:
    """Returns the pieces of a file and notes about it for the user.

    A CSV file that may be cut comes as one piece; `needs_blocks` tells, and `cut_csv` cuts it.

    Args:
        path: the file.
        settings: its form.
        block: bytes of a piece, about.

    Raises:
        EmptyFileError: there is nothing in it.
        IngestError: it cannot be read, or is of another form.
    """
    form = form_of(path, settings.format)
    size = size_of(path)
    if not size and form not in ("csv", "jsonl", "tfrecord"):
        raise EmptyFileError(f"{path}: the file is empty; give a {form} file", path)
    if form == "csv":
        dialect = dialect_of(path, settings.csv)
        encoding = find_encoding(path, dialect.encoding)
        header = read_header(path, dialect, encoding)
        weight = size * (_COMPRESSION if compression_of(path) else 1)
        return [Piece(path, form, weight, header.start, None, header.names, header.spaced)], header.notes
    if form == "jsonl":
        if compression_of(path):
            return [Piece(path, form, size * _COMPRESSION)], ()
        begins = [0]
        for begin, _ in list_blocks(0, size, block)[1:]:
            row = json_lines.find_row(path, begin)
            if begins[-1] < row < size:
                begins.append(row)
        ends = [*begins[1:], size]
        return [
            Piece(path, form, end - begin, begin, end, parts=len(begins))
            for begin, end in zip(begins, ends, strict=True)
        ], ()
    if form == "tfrecord":
        return [Piece(path, form, size * (_COMPRESSION if compression_of(path) else 1))], ()
    return _group(path, form, columnar.list_groups(path, form), block), ()


def list_all_pieces(
    files: Sequence[tuple[str, str | None]], settings: ReadSettings, block: int
) -> tuple[list[tuple[Piece, str | None]], list[str]]:
    """Returns the pieces of files, each with its file's split, and notes for the user; empty files are left out.

    Raises:
        EmptyFileError: there is nothing in any of them.
        IngestError: one cannot be read, or is of another form.
    """
    found: list[tuple[Piece, str | None]] = []
    notes: list[str] = []
    empty: list[EmptyFileError] = []
    for path, split in files:
        try:
            pieces, about = list_pieces(path, settings, block)
        except EmptyFileError as error:
            empty.append(error)
            continue
        found += [(piece, split) for piece in pieces]
        notes += about
    if empty and not found:
        raise empty[0]
    # A day on which nothing happened.
    return found, notes + [f"{error.path}: the file is empty" for error in empty]


def _group(path: str, form: str, sizes: list[int], block: int) -> list[Piece]:
    """Returns pieces of so many groups of rows that each has about `block` bytes."""
    starts, filled = [0], 0
    for index, size in enumerate(sizes):
        if filled and filled + size > block:
            starts.append(index)
            filled = 0
        filled += size
    ends = [*starts[1:], len(sizes)]
    return [
        Piece(path, form, sum(sizes[start:end]), start, end, parts=len(starts))
        for start, end in zip(starts, ends, strict=True)
    ]


def needs_blocks(piece: Piece, settings: CsvSettings, block: int) -> bool:
    """Returns whether the piece is a CSV file that is to be cut."""
    if piece.form != "csv" or piece.size <= block or settings.escape is not None:
        return False
    return is_cuttable(piece.path, find_encoding(piece.path, settings.encoding))


def read_piece(piece: Piece, settings: ReadSettings) -> Iterator[Rows]:
    """Yields the rows of a piece.

    Raises:
        IngestError: it cannot be read.
    """
    match piece.form:
        case "csv":
            yield from csv_file.read_csv(piece, dialect_of(piece.path, settings.csv))
        case "jsonl":
            yield from json_lines.read_json_lines(piece, settings.drop)
        case "tfrecord":
            yield from tfrecord.read_tfrecord(piece)
        case "parquet" | "feather":
            yield from columnar.read_groups(piece, settings.drop)
        case other:
            raise IngestError(f"{piece.path}: there is no form '{other}'")


def find_place(
    pieces: list[Piece], piece: int, row: int, rows: list[int], settings: ReadSettings, *, line: bool = True
) -> str:
    """Returns where a row is, for the user: file, row, and line of text files.

    Args:
        pieces: all pieces.
        piece: the number of the row's piece.
        row: the row's number in it, from 0.
        rows: how many rows each piece has.
        settings: how they are read.
        line: whether to look for the line too, which reads the file again.
    """
    found = pieces[piece]
    before = sum(count for each, count in zip(pieces[:piece], rows, strict=False) if each.path == found.path)
    number = f"{'record' if found.form == 'tfrecord' else 'row'} {before + row + 1:,}"
    if found.form == "csv" and line:
        number += f" (line {csv_file.find_line(found, row, dialect_of(found.path, settings.csv)):,})"
    return number
