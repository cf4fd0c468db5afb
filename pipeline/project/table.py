"""Reads a sample of a file of rows, every cell as text: CSV, Parquet or JSON Lines."""

from __future__ import annotations

import csv as python_csv
import gzip
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilir.pipeline.errors import ConfigError

MOST_ROWS = 100_000
_DELIMITERS = (",", ";", "\t", "|")
_START = 1 << 20
_FORMS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True)
class Table:
    """A sample of the rows.

    Attributes:
        path: the file.
        form: `csv`, `parquet` or `jsonl`.
        cells: the columns by name as strings, None where a cell is empty; one row per sampled row.
        rows: number of rows of the file, estimated where not all were read.
        delimiter, decimal: of a CSV file.
        raw_names: the names in the file by the stripped ones, where they differ.
    """

    path: Path
    form: str
    cells: pd.DataFrame
    rows: int
    delimiter: str = ","
    decimal: str = "."
    raw_names: dict[str, str] = field(default_factory=dict)


def read_table(path: Path, delimiter: str | None = None, decimal: str | None = None) -> Table:
    """Returns the rows of a file, at most `MOST_ROWS`, spread over it.

    Args:
        path: its name says the form.
        delimiter, decimal: of a CSV file; None to find them out.

    Raises:
        ConfigError: the file is not there, or not what its name says.
    """
    form = _find_form(path)
    if not path.is_file():
        raise ConfigError(f"--data: there is no file '{path}'; give a file with a header and rows")
    if form == "parquet":
        frame, rows = _read_parquet(path)
    elif form == "jsonl":
        frame, rows = _read_json_lines(path)
    else:
        start = _read_start(path)
        delimiter = delimiter or _find_delimiter(start, path)
        frame, rows = _read_csv(path, delimiter)
    if not len(frame):
        raise ConfigError(f"{path}: has no rows; give a file with data")
    raw_names = _clean_names(path, frame)
    mark = (decimal or _find_decimal(frame)) if form == "csv" else "."
    return Table(path, form, frame, rows, delimiter or ",", mark, raw_names)


def _find_form(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    form = _FORMS.get(suffixes[-1]) if suffixes else None
    if form is None:
        raise ConfigError(f"--data {path}: the name has to end in .csv, .parquet or .jsonl; rename or convert the file")
    return form


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _read_start(path: Path) -> str:
    with _open(path) as file:
        data: bytes = file.read(_START)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:1000]:
        raise ConfigError(f"{path}: is UTF-16, not UTF-8; convert it: iconv -f utf-16 -t utf-8 '{path}' > utf8.csv")
    try:
        # The last character may be cut.
        return data.decode("utf-8-sig") if len(data) < _START else data.decode("utf-8-sig", "ignore")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}: line {line:,} has the byte 0x{data[error.start]:02x}, which is not UTF-8; "
            f"convert it: iconv -f latin1 -t utf-8 '{path}' > utf8.csv"
        ) from None


def _find_delimiter(start: str, path: Path) -> str:
    lines = start.splitlines()[:50]
    if not lines or not lines[0].strip():
        raise ConfigError(f"{path}: the file is empty, or its first line is; give a file with a header and rows")

    def score(mark: str) -> tuple[int, bool, int]:
        widths = Counter(len(row) for row in python_csv.reader(lines, delimiter=mark))
        width, lines_of_it = widths.most_common(1)[0]
        # A header with decimal commas below it may look as if commas separated; nobody writes semicolons in headers.
        return (lines_of_it if width > 1 else 0, mark != ",", width)

    return max(_DELIMITERS, key=score)


def _read_csv(path: Path, delimiter: str) -> tuple[pd.DataFrame, int]:
    try:
        with _open(path) as file:
            first = file.readline().decode("utf-8-sig")
        names = next(python_csv.reader([first], delimiter=delimiter))
        _refuse_names(path, names)
        parts, kept, stride, rows = [], 0, 1, 0
        for part in pd.read_csv(
            path,
            sep=delimiter,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8-sig",
            chunksize=MOST_ROWS,
            compression="infer",
        ):
            parts.append(part.iloc[(-rows) % stride :: stride])
            rows += len(part)
            kept += len(parts[-1])
            if kept > 2 * MOST_ROWS:
                parts, stride = [pd.concat(parts).iloc[::2]], stride * 2
                kept = len(parts[0])
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8; convert it: iconv -f latin1 -t utf-8 '{path}' > utf8.csv") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, python_csv.Error, OSError, EOFError) as error:
        raise ConfigError(f"{path}: cannot be read as CSV with the delimiter '{delimiter}': {error}") from None
    return _thin(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), rows


def _thin(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.iloc[:: max(1, -(-len(frame) // MOST_ROWS))].reset_index(drop=True)
    return frame.astype(object).where(frame.notna(), None)


def _refuse_names(path: Path, names: Sequence[str]) -> None:
    stripped = [name.strip() for name in names]
    doubled = sorted({name for name in stripped if stripped.count(name) > 1 and name})
    if doubled:
        raise ConfigError(f"{path}: the header names '{doubled[0]}' more than once; rename the columns")
    if "" in stripped:
        raise ConfigError(f"{path}: column {stripped.index('') + 1} has no name in the header; name it")


def _read_parquet(path: Path) -> tuple[pd.DataFrame, int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        _refuse_names(path, file.schema_arrow.names)
        stride = max(1, file.metadata.num_rows // MOST_ROWS)
        parts = [
            batch.to_pandas(integer_object_nulls=True).iloc[::stride]
            for batch in file.iter_batches(batch_size=stride * 4096)
        ]
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path}: is not a Parquet file that can be read: {error}") from None
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return _as_texts(frame), file.metadata.num_rows


def _read_json_lines(path: Path) -> tuple[pd.DataFrame, int]:
    with _open(path) as file:
        rows = list(islice(_read_objects(path, file), MOST_ROWS))
    frame = pd.DataFrame(rows, dtype=object)
    _refuse_names(path, list(frame.columns))
    return _as_texts(frame), len(rows)


def _read_objects(path: Path, lines: Any) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line) if line.strip() else None
        except ValueError as error:
            raise ConfigError(f"{path}: line {number:,} is not JSON ({error}); correct it") from None
        if row is not None and not isinstance(row, dict):
            raise ConfigError(f"{path}: line {number:,} is not a JSON object; write one object per row")
        if row:
            yield row


def _as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    return (
        frame.apply(lambda column: pd.Series([_as_text(value) for value in column], dtype=object))
        if len(frame)
        else frame
    )


def _as_text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NaT:
        return None
    if isinstance(value, np.ndarray | list | dict):
        return json.dumps(value, default=str)
    return str(value)


def _clean_names(path: Path, frame: pd.DataFrame) -> dict[str, str]:
    """Strips the names in place; returns the names in the file by those that changed."""
    clean = [unicodedata.normalize("NFC", str(name).strip()) for name in frame.columns]
    _refuse_names(path, clean)
    changed = {new: str(old) for new, old in zip(clean, frame.columns, strict=True) if new != old}
    frame.columns = pd.Index(clean)
    return changed


def _find_decimal(frame: pd.DataFrame) -> str:
    """Returns `,` where a column has nothing but numbers with a decimal comma."""
    for name in frame.columns:
        cells = frame[name].dropna().astype(str).str.strip().head(1000)
        if len(cells) and cells.str.fullmatch(r"[+-]?\d+(,\d+)?").all() and cells.str.contains(",").mean() > 0.2:
            return ","
    return "."
