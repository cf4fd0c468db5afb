"""Writes Arrow tables to a CSV, Parquet or JSON Lines file that appears when it is complete."""

from __future__ import annotations

import contextlib
import csv as python_csv
import gzip
import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from hilir.analysis.devices import is_device
from hilir.serving.errors import PredictError
from hilir.serving.predict.readers import find_form

Write = Callable[[Mapping[str, Any]], None]
"""Takes the columns of the next rows: Arrow arrays, or lists of plain values."""


@contextmanager
def open_target(path: Path) -> Iterator[Write]:
    """Yields the function that writes rows to a file; the file is there only after the block has ended well.

    A device or a pipe stays what it is, and is written to.

    Raises:
        PredictError: its name says no form, its folder does not exist, or the disk is full.
    """
    form = find_form(path)
    if not path.parent.is_dir():
        raise PredictError(f"{path.parent}: there is no such folder; make it, or write to another one")
    device = is_device(path)
    new = path if device else path.with_name(f".{path.name}.new")
    try:
        with contextlib.ExitStack() as stack:
            match form:
                case "parquet":
                    write = _write_parquet(new, stack)
                case "csv":
                    write = _write_csv(_open_text(new, path, stack))
                case _:
                    write = _write_json_lines(_open(new, path, stack))
            yield write
        if not device:
            os.replace(new, path)
    except OSError as error:
        raise PredictError(f"{path}: cannot be written ({error.strerror or error}); nothing was written") from None
    finally:
        if not device:
            with contextlib.suppress(OSError):
                new.unlink()


def _open(new: Path, path: Path, stack: contextlib.ExitStack) -> Any:
    return stack.enter_context(gzip.open(new, "wb") if path.suffix.lower() == ".gz" else open(new, "wb"))


def _open_text(new: Path, path: Path, stack: contextlib.ExitStack) -> Any:
    return stack.enter_context(io.TextIOWrapper(_open(new, path, stack), encoding="utf-8", newline=""))


def _batch(columns: Mapping[str, Any]) -> pa.RecordBatch:
    arrays = [pa.array(value) if isinstance(value, list) else value for value in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _write_parquet(path: Path, stack: contextlib.ExitStack) -> Write:
    writer: list[Any] = []

    def write(columns: Mapping[str, Any]) -> None:
        batch = _batch(columns)
        if not writer:
            writer.append(stack.enter_context(pq.ParquetWriter(path, _without_nulls(batch.schema))))
        schema = writer[0].schema
        try:
            writer[0].write_batch(batch.cast(schema))
        except pa.ArrowInvalid as error:
            raise PredictError(
                f"{path}: a kept column changes its type within the file ({error}); leave it out"
            ) from None

    return write


def _without_nulls(schema: pa.Schema) -> pa.Schema:
    """Returns the schema with strings for columns that have no value in the first rows."""
    return pa.schema([each.with_type(pa.string()) if pa.types.is_null(each.type) else each for each in schema])


def _write_csv(file: Any) -> Write:
    # Arrow's own writer puts quotes around every string.
    writer: list[Any] = []

    def write(columns: Mapping[str, Any]) -> None:
        if not writer:
            writer.append(python_csv.writer(file, lineterminator="\n"))
            writer[0].writerow(columns)
        writer[0].writerows(zip(*map(_texts, columns.values()), strict=True))

    return write


def _texts(values: Any) -> list[str | None]:
    """Returns a column as cells: numbers with the digits that they need, lists and objects as JSON."""
    if isinstance(values, list):
        return [_cell(value) for value in values]
    if pa.types.is_nested(values.type):
        return [_cell(value) for value in values.to_pylist()]
    texts: list[str | None] = values.cast(pa.string()).to_pylist()
    return texts


def _cell(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _write_json_lines(file: Any) -> Write:
    def write(columns: Mapping[str, Any]) -> None:
        names = list(columns)
        lists = [value if isinstance(value, list) else value.to_pylist() for value in columns.values()]
        option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
        rows = zip(*lists, strict=True)
        file.write(b"".join(orjson.dumps(dict(zip(names, row, strict=True)), str, option) for row in rows))

    return write
