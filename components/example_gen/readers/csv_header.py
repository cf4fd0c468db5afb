"""Finds the names of a CSV file's columns, and where its rows begin."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from hilir.analysis.text import count_preamble
from hilir.components.errors import EmptyFileError, IngestError
from hilir.components.example_gen.readers.streams import open_bytes
from hilir.components.example_gen.settings import CsvSettings

_LARGEST = 4 << 20
# What stands before a header is shorter.
_PREAMBLE = 1 << 16
_OTHER_DELIMITERS = {";": "';'", "\t": '"\\t"', "|": "'|'"}


@dataclass(frozen=True)
class Header:
    """The names of the columns, the first byte after the header, and whether cells begin with a space as in `a, b`."""

    names: tuple[str, ...]
    start: int
    spaced: bool
    notes: tuple[str, ...] = ()


def read_header(path: str, settings: CsvSettings, encoding: str) -> Header:
    """Returns the header of a file; runs of white space in a name, line ends too, become one space.

    Raises:
        EmptyFileError: there is nothing in the file.
        IngestError: a name is there twice, or the file has another delimiter.
    """
    with open_bytes(path, encoding) as stream:
        head = _read(stream, _LARGEST)
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    if not head[mark:].strip():
        raise EmptyFileError(f"{path}: the file is empty; give a CSV file with a header and rows", path)
    if settings.names is not None:
        return Header(tuple(settings.names), mark, spaced=False)
    start = _skip_line_ends(head, mark)
    # As latin-1, in which each byte is a character.
    lines = head[start : start + _PREAMBLE].decode("latin-1").split("\n")
    skipped = count_preamble(lines, settings.delimiter)
    start = _skip_line_ends(head, start + sum(len(line) + 1 for line in lines[:skipped]))
    end = _find_end(head, start, settings)
    codec = "utf-8" if encoding.startswith(("utf-16", "utf-32")) else encoding
    text = head[start:end].decode(codec, "replace")
    cells = _parse(text, settings)
    names = tuple(" ".join(cell.split()) for cell in cells)
    _check(path, names, settings)
    changed = [(cell, name) for cell, name in zip(cells, names, strict=True) if cell != name]
    notes = [f"{path}: the header's {cell!r} is read as {name!r}" for cell, name in changed]
    if skipped:
        notes.append(f"{path}: what stands before the header is left out: {lines[0].strip()[:60]!r}")
    return Header(names, end, spaced=any(cell.startswith(" ") for cell in cells[1:]), notes=tuple(notes))


def _skip_line_ends(head: bytes, place: int) -> int:
    return place + len(head[place:]) - len(head[place:].lstrip(b"\r\n"))


def _read(stream: BinaryIO, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _find_end(head: bytes, start: int, settings: CsvSettings) -> int:
    """Returns the place after the line end of the header; a quoted cell may contain line ends."""
    quote = ord(settings.quote) if settings.quote else -1
    escape = ord(settings.escape) if settings.escape else -1
    inside, begins, place = False, True, start
    while place < len(head):
        byte = head[place]
        if byte == escape:
            place += 1
        elif byte == quote and (inside or begins):
            inside = not inside
        elif byte == quote and head[place - 1] == quote:
            inside = True
        elif byte in b"\r\n" and not inside:
            return place + (2 if head[place : place + 2] == b"\r\n" else 1)
        begins = not inside and byte == ord(settings.delimiter)
        place += 1
    return len(head)


def _parse(text: str, settings: CsvSettings) -> Sequence[str]:
    return next(
        csv.reader(
            io.StringIO(text, newline=""),
            delimiter=settings.delimiter,
            quotechar=settings.quote or '"',
            quoting=csv.QUOTE_MINIMAL if settings.quote else csv.QUOTE_NONE,
            escapechar=settings.escape,
            skipinitialspace=False,
        )
    )


def _check(path: str, names: Sequence[str], settings: CsvSettings) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        listed = ", ".join(f"'{name}'" for name in doubled)
        raise IngestError(f"{path}: the header names {listed} more than once; rename the columns")
    if len(names) > 1:
        return
    other = max(_OTHER_DELIMITERS, key=names[0].count)
    if names[0].count(other) and other != settings.delimiter:
        raise IngestError(
            f"{path}: the header is one column, {names[0][:60]!r}; "
            f"if the file's columns are separated by {_OTHER_DELIMITERS[other]}, "
            f"set data.csv.delimiter: {_OTHER_DELIMITERS[other]}"
        )
    if settings.delimiter != "," and "," in names[0]:
        raise IngestError(
            f"{path}: the header is one column, {names[0][:60]!r}; "
            f"if the file's columns are separated by commas, set data.csv.delimiter: ','"
        )
