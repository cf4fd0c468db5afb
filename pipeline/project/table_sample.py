"""Reads a sample of a file of rows, as the ingest will read it, every cell as text."""

from __future__ import annotations

import codecs
import csv as python_csv
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from hilir.analysis.text import read_separator
from hilir.components.errors import IngestError
from hilir.components.example_gen.convert import to_microseconds
from hilir.pipeline.errors import ConfigError

MOST_ROWS = 100_000
_DELIMITERS = (",", ";", "\t", "|")
_START, _BLOCK = 1 << 20, 64 << 20
# Keys of the configuration in the ingest's messages for which 'hilir new' has an option.
_KEYS = re.compile(r"set data\.csv\.(encoding|delimiter|decimal)")
_FORMS = ("csv", "parquet", "feather", "jsonl")


@dataclass(frozen=True)
class Marks:
    """What a CSV file is written with; None: to be found out."""

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class Table:
    """A sample of the rows.

    Attributes:
        path: the file.
        cells: the columns by name as strings, None where a cell is empty; numbers with '.' and without thousands marks.
        rows: number of rows of the file.
        batch: the same sample as the ingest has it, which decides on the split.
        csv: the keys of `data.csv` that the file needs.
        dates: the columns that are dates or times by their type.
        types: `string`, `strings`, `numbers` or `nested` by column, where the file says that it is one.
    """

    path: Path
    cells: pd.DataFrame
    rows: int
    batch: pa.RecordBatch
    csv: dict[str, Any]
    dates: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)


def read_table(path: Path, marks: Marks | None = None) -> Table:
    """Returns the rows of a file, at most `MOST_ROWS`, spread over it.

    Raises:
        ConfigError: the file is not there, not what its name says, or has a row that cannot be read.
    """
    if not path.is_file():
        raise ConfigError(f"--data: there is no file '{path}'; give a file with a header and rows")
    try:
        return _read(path, marks or Marks())
    except IngestError as error:
        # There is no configuration yet.
        raise ConfigError(_KEYS.sub(r"type --\1", str(error))) from None


def _read(path: Path, marks: Marks) -> Table:
    from hilir.components.example_gen.readers.file_forms import form_of
    from hilir.components.example_gen.settings import CsvSettings, ReadSettings

    form: Any = form_of(str(path), "auto")
    if form not in _FORMS:
        raise ConfigError(f"--data {path}: is a file of {form}; give CSV, Parquet, Feather or JSON Lines")
    csv: dict[str, Any] = {}
    if form == "csv":
        encoding = marks.encoding or _find_encoding(path)
        csv = {"encoding": encoding} if encoding else {}
        delimiter = marks.delimiter or _find_delimiter(path, encoding or "auto")
        csv |= {} if delimiter == "," else {"delimiter": delimiter}
    batch, rows = _sample(path, ReadSettings(format=form, csv=CsvSettings(**csv)))
    if not rows:
        raise ConfigError(f"{path}: has no rows; give a file with data")
    dates = tuple(each.name for each in batch.schema if pa.types.is_date(each.type) or pa.types.is_timestamp(each.type))
    types = {} if form == "csv" else {each.name: _type_of(each.type) for each in batch.schema if _type_of(each.type)}
    cells = pd.DataFrame({name: _texts(batch.column(name)) for name in batch.schema.names}, dtype=object)
    if form == "csv":
        csv |= _normalize(cells, marks)
    return Table(path, cells, rows, batch, csv, dates, types)


def _type_of(kind: pa.DataType) -> str:
    from hilir.components.example_gen.column_evidence import kind_of
    from hilir.components.example_gen.readers.batch import is_list

    if not is_list(kind):
        return {"string": "string", None: "nested"}.get(kind_of(kind), "") if not pa.types.is_null(kind) else ""
    return {"string": "strings", None: "nested"}.get(kind_of(kind.value_type), "numbers")


def _sample(path: Path, settings: Any) -> tuple[pa.RecordBatch, int]:
    """Returns rows spread over the file, and how many there are in all."""
    from hilir.components.example_gen.readers.file_forms import list_pieces, read_piece

    pieces, _ = list_pieces(str(path), settings, _BLOCK)
    kept: list[pa.RecordBatch] = []
    stride, rows = 1, 0
    for piece in pieces:
        for part in read_piece(piece, settings):
            if part.bad:
                bad = part.bad[0]
                raise ConfigError(f"{path}: row {bad.row + 1:,} {bad.fault}")
            chosen = pa.array(range(-rows % stride, part.table.num_rows, stride), pa.int64())
            kept.append(part.table.take(chosen))
            rows += part.table.num_rows
            if sum(each.num_rows for each in kept) > 2 * MOST_ROWS:
                kept, stride = [_join(kept, 2)], 2 * stride
    if not kept:
        return pa.RecordBatch.from_pydict({}), 0
    total = sum(each.num_rows for each in kept)
    return _join(kept, -(-total // MOST_ROWS)), rows


def _join(batches: list[pa.RecordBatch], stride: int) -> pa.RecordBatch:
    table = pa.concat_tables([pa.Table.from_batches([each]) for each in batches], promote_options="permissive")
    taken = table.take(pa.array(range(0, table.num_rows, max(1, stride)), pa.int64())).combine_chunks()
    found = taken.to_batches()
    return found[0] if found else pa.RecordBatch.from_pylist([], taken.schema)


def _texts(values: Any) -> list[str | None]:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if pa.types.is_floating(values.type):
        # With a point, so that they are not taken for whole numbers.
        return [None if value is None or value != value else repr(float(value)) for value in values.to_pylist()]
    if pa.types.is_nested(values.type):
        # An empty list is a row without a value.
        return [json.dumps(value, default=str, ensure_ascii=False) if value else None for value in values.to_pylist()]
    if pa.types.is_binary(values.type):
        return [None if value is None else str(value) for value in values.to_pylist()]
    if pa.types.is_time(values.type) or pa.types.is_duration(values.type):
        # Whole numbers of microseconds, as the ingest has them.
        values = to_microseconds(values)
    texts: list[str | None] = values.cast(pa.string()).to_pylist()
    return texts


def _find_encoding(path: Path) -> str:
    """Returns the encoding of a file that is not UTF-8 as Western programs write it; empty for UTF-8, or its mark."""
    from hilir.components.example_gen.readers.streams import find_encoding, open_bytes

    if find_encoding(str(path), "auto") != "utf-8":
        return ""
    decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "cp1252")}
    with open_bytes(str(path)) as stream:
        while decoders:
            data = stream.read(1 << 20)
            for name, decoder in list(decoders.items()):
                try:
                    decoder.decode(data, final=not data)
                except UnicodeDecodeError:
                    del decoders[name]
            if not data:
                break
    return {"utf-8": "", "cp1252": "cp1252"}.get(next(iter(decoders), "latin-1"), "latin-1")


def _find_delimiter(path: Path, encoding: str) -> str:
    if ".tsv" in path.name.lower():
        return "\t"
    from hilir.components.example_gen.readers.streams import find_encoding, open_bytes

    codec = find_encoding(str(path), encoding)
    with open_bytes(str(path), codec) as stream:
        start = stream.read(_START)
    lines = start.decode("utf-8-sig" if codec.startswith("utf") else codec, "replace").splitlines()[:50]
    if not lines or not lines[0].strip():
        raise ConfigError(f"{path}: the file is empty, or its first line is; give a file with a header and rows")

    if (said := read_separator(lines[0])) is not None:
        return said
    first = next((place for place, line in enumerate(lines) if not line.startswith("#")), 0)

    def score(mark: str) -> tuple[int, bool, int]:
        widths = Counter(len(row) for row in python_csv.reader(lines[first:], delimiter=mark))
        width, lines_of_it = widths.most_common(1)[0]
        # A header with decimal commas below it may look as if commas separated; nobody writes semicolons in headers.
        return (lines_of_it if width > 1 else 0, mark != ",", width)

    return max(_DELIMITERS, key=score)


def _normalize(cells: pd.DataFrame, marks: Marks) -> dict[str, str]:
    """Writes numbers with '.' and without thousands marks, in place; returns the marks that the file has."""
    decimal = marks.decimal or ("," if any(map(_has_decimal_commas, map(cells.__getitem__, cells))) else ".")
    other = "," if decimal == "." else "."
    thousands = marks.thousands
    if thousands is None and any(_is_written(cells[name], other, decimal, need=other) for name in cells):
        thousands = other
    if decimal == "." and thousands is None:
        return {}
    for name in cells:
        if _is_written(cells[name], thousands or "", decimal):
            cells[name] = [
                text if text is None else text.replace(thousands or "", "").replace(decimal, ".")
                for text in cells[name]
            ]
    return ({"decimal": decimal} if decimal != "." else {}) | ({"thousands": thousands} if thousands else {})


def _has_decimal_commas(cells: pd.Series) -> bool:
    if not _is_written(cells, ".", ",", need=","):
        return False
    # 1,004 and 2,500 are more likely numbers of thousands.
    commas = cells.dropna().head(2000)[lambda texts: texts.str.contains(",")]
    return not bool(commas.str.fullmatch(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+\s*").all())


def _is_written(cells: pd.Series, thousands: str, decimal: str, need: str = "") -> bool:
    """Says whether all cells are numbers with these marks, and some have the mark that is needed."""
    present = cells.dropna().head(2000).map(str.strip)
    present = present[present != ""]
    # Few amounts may be above a thousand.
    if not len(present) or (need and present.str.contains(need, regex=False).sum() < max(1, 0.01 * len(present))):
        return False
    group = rf"(\d{{1,3}}({re.escape(thousands)}\d{{3}})+|\d+)" if thousands else r"\d+"
    number = rf"[+-]?{group}({re.escape(decimal)}\d+)?"
    return bool(present.str.fullmatch(number).mean() >= 0.95)
