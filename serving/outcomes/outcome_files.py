"""Outcomes in a file: CSV or Parquet, with the columns id or user, name, value or class, time, event."""

from __future__ import annotations

import csv
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hilir.serving.errors import ServingConfigError
from hilir.serving.outcomes.outcome_records import Outcome, OutcomeRefused, parse_outcome
from hilir.serving.outcomes.outcome_store import OutcomeStore, Written

_BATCH = 5_000
_COLUMNS = ("id", "user", "name", "value", "class", "time", "event")
# float() takes 3_4 for 34. What is not finite is refused where values are checked.
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+|nan|inf|infinity)(?:e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)
_EITHER = (("id", "user"), ("value", "class"))
_WORDS = {"true": 1.0, "false": 0.0}


def import_file(store: OutcomeStore, path: str, clock: Callable[[], float] = time.time) -> Written:
    """Stores the outcomes of a file, batch by batch; the same file may be imported again.

    Raises:
        ServingConfigError: the file cannot be read, or a row of it is wrong: rows before it may be stored already.
        StoreFailed: the database fails.
    """
    new = replaced = unchanged = 0
    for batch in _batches(_read_outcomes(path, clock())):
        written = store.write(batch)
        new, replaced, unchanged = (
            new + written.new, replaced + written.replaced, unchanged + written.unchanged
        )  # fmt: skip
    return Written(new, replaced, unchanged)


def _batches(outcomes: Iterator[Outcome]) -> Iterator[list[Outcome]]:
    batch: list[Outcome] = []
    for each in outcomes:
        batch.append(each)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _read_outcomes(path: str, now: float) -> Iterator[Outcome]:
    rows = _read_parquet(path) if Path(path).suffix.lower() in (".parquet", ".pq") else _read_csv(path)
    for number, row in rows:
        try:
            yield parse_outcome(_fields(row), f"{path}:{number}", now)
        except OutcomeRefused as error:
            raise ServingConfigError(
                f"{error}; correct the row and import the file again: what is stored already does not change"
            ) from None


def _read_csv(path: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields the lines' numbers and rows."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="a column without a name")
            _check_columns(path, reader.fieldnames or ())
            for row in reader:
                yield reader.line_num, {name: _number(name, value) for name, value in row.items() if value}
    except OSError as error:
        raise ServingConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ServingConfigError(f"{path}: not CSV in UTF-8 ({error}); Parquet files end in .parquet") from None


def _number(name: str, text: Any) -> Any:
    """CSV has strings only: a value or a time that reads as a number is one."""
    if name not in ("value", "time") or not isinstance(text, str):
        return text
    if name == "value" and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return float(text) if _NUMBER.fullmatch(text) else text


def _read_parquet(path: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except OSError as error:
        raise ServingConfigError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except pyarrow.ArrowException as error:
        raise ServingConfigError(f"{path}: not a Parquet file ({str(error).splitlines()[0]})") from None


def _check_columns(path: str, names: Any) -> None:
    unknown = sorted(set(names) - set(_COLUMNS))
    if unknown or not {"name"} <= set(names) or not all({*each} & set(names) for each in _EITHER):
        raise ServingConfigError(
            f"{path}: its columns are {', '.join(map(str, names)) or 'none'}; it needs id or user, name, and "
            "value or class, and may have time and event, separated by commas in CSV"
        )


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is not missing; a time of Parquet without a zone is UTC, and a decimal number is a number."""
    fields = {}
    is_class = row.get("class") is not None
    for name, value in row.items():
        if value is None or (isinstance(value, float) and math.isnan(value) and (name != "value" or is_class)):
            continue
        if isinstance(value, datetime):
            value = (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
        if isinstance(value, Decimal):
            value = float(value)
        fields[name] = value
    return fields
