"""Reads CSV, Parquet and JSON Lines files as Arrow tables, piece by piece."""

from __future__ import annotations

import csv as python_csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from hilir.analysis.objects import flatten, flatten_batch
from hilir.analysis.text import count_preamble, show_unprintable
from hilir.serving.errors import PredictError
from hilir.serving.predict.dialect import Dialect

ROWS = 4096
"""Largest number of rows in a piece."""
_CSV_BLOCK = 4 << 20
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


Columns = dict[str, Any]
"""One piece: by column an Arrow array, or for JSON Lines a list of decoded values."""


@dataclass(frozen=True)
class Source:
    """A file that is being read.

    Attributes:
        names: the columns of a CSV or Parquet file; of JSON Lines those in the first rows.
        read: yields the pieces with the columns that are asked for; a row without a value has null. Cells of a CSV
            file are strings.
    """

    names: tuple[str, ...]
    read: Callable[[Sequence[str]], Iterator[Columns]]


def find_form(path: Path) -> str:
    """Returns the form that the file's name says: `csv`, `parquet` or `jsonl`.

    Raises:
        PredictError: it says none.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    form = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    if form is None or (form == "parquet" and path.suffix.lower() == ".gz"):
        raise PredictError(
            f"{path}: the name does not say the form of the file; "
            "it has to end in .csv, .parquet or .jsonl (.csv.gz and .jsonl.gz too)"
        )
    return form


def open_source(path: Path, dialect: Dialect) -> Source:
    """Opens a file of rows.

    Args:
        path: the file; its name says its form.
        dialect: of a CSV file.

    Raises:
        PredictError: it is not there, or cannot be read as what its name says.
    """
    form = find_form(path)
    if not path.is_file():
        raise PredictError(f"{path}: there is no such file; give a file of rows")
    try:
        match form:
            case "csv":
                return _open_csv(path, dialect)
            case "parquet":
                return _open_parquet(path)
            case _:
                return _open_json_lines(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> PredictError:
    reason = show_unprintable(str(error))
    return PredictError(f"{path}: cannot be read: {reason}; correct the file")


def _open_csv(path: Path, dialect: Dialect) -> Source:
    with pa.input_stream(str(path), compression="detect") as stream:
        start = stream.read(1 << 20).decode(dialect.codec, "replace")
    if not start.strip():
        raise PredictError(f"{path}: the file is empty; give a file with a header and rows")
    if ".tsv" in path.name.lower() and dialect.delimiter == ",":
        dialect = replace(dialect, delimiter="\t")
    lines = start.splitlines()
    skipped = count_preamble(lines, dialect.delimiter)
    raw = next(python_csv.reader(lines[skipped:], delimiter=dialect.delimiter))
    # The ingest reads runs of white space in a name as one space.
    names = [" ".join(name.split()) for name in raw]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise PredictError(f"{path}: the header names '{doubled[0]}' more than once; rename the columns")

    def read(wanted: Sequence[str]) -> Iterator[Columns]:
        try:
            with csv.open_csv(
                pa.input_stream(str(path), compression="detect"),
                read_options=csv.ReadOptions(
                    block_size=_CSV_BLOCK, encoding=dialect.codec.removesuffix("-sig"), skip_rows=skipped
                ),
                parse_options=csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    include_columns=[raw[names.index(name)] for name in wanted],
                    column_types=dict.fromkeys(raw, pa.string()),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                    null_values=[""],
                ),
            ) as reader:
                for batch in reader:
                    yield from _cut(batch.rename_columns(list(wanted)))
        except pa.ArrowException as error:
            raise _unreadable(path, error) from None

    return Source(tuple(names), read)


def _open_parquet(path: Path) -> Source:
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    try:
        # The fields of structs are columns, as the ingest has them.
        names = tuple(flatten_batch(pa.RecordBatch.from_pylist([], schema)).schema.names)
    except ValueError as error:
        raise PredictError(f"{path}: {error}") from None

    def read(wanted: Sequence[str]) -> Iterator[Columns]:
        needed = [name for name in schema.names if any(f"{each}.".startswith(f"{name}.") for each in wanted)]
        try:
            for batch in file.iter_batches(batch_size=ROWS, columns=needed):
                yield from _cut(flatten_batch(batch).select(list(wanted)))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from None

    return Source(names, read)


def _cut(batch: pa.RecordBatch) -> Iterator[Columns]:
    for start in range(0, batch.num_rows, ROWS):
        part = batch.slice(start, ROWS)
        yield dict(zip(part.schema.names, part.columns, strict=True))


def _open_json_lines(path: Path) -> Source:
    with pa.input_stream(str(path), compression="detect") as stream:
        first = list(islice(_read_objects(path, stream), ROWS))
    if not first:
        raise PredictError(f"{path}: the file is empty; give one JSON object per line")
    names = tuple(dict.fromkeys(name for row in first for name in row))

    def read(wanted: Sequence[str]) -> Iterator[Columns]:
        with pa.input_stream(str(path), compression="detect") as stream:
            rows = _read_objects(path, stream)
            while piece := list(islice(rows, ROWS)):
                yield {name: [row.get(name) for row in piece] for name in wanted}

    return Source(names, read)


def _read_objects(path: Path, stream: Any) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(_read_lines(stream), start=1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise PredictError(f"{path}: line {number:,} is not JSON ({error}); correct the line") from None
        if not isinstance(row, dict):
            raise PredictError(f"{path}: line {number:,} is not a JSON object; write one object per row")
        try:
            # As the ingest reads it.
            yield flatten(row)
        except ValueError as error:
            raise PredictError(f"{path}: line {number:,} {error}") from None


def _read_lines(stream: Any) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(1 << 20):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest
