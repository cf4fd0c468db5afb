"""The split that the ingest will make of the rows, known before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.project.columns.dates import AMBIGUOUS, MIXED, find_format
from hilir.pipeline.project.table_sample import Table

EVAL_SHARE = 0.33
"""Fraction of the rows that evaluate in a split by time."""
_ALMOST_ALL = 0.95
_FEW_CONTENTS, _LEAST_REPEATS = 200, 4


def count_few_contents(table: Table, drop: Sequence[str] = ()) -> int:
    """Returns how many rows are different, if so few that keeping equal ones together leaves few ways to split; else 0.

    Args:
        table: the rows.
        drop: columns that the ingest leaves out, and that do not count.
    """
    contents = len(table.cells.drop(columns=list(drop)).drop_duplicates())
    return contents if contents <= _FEW_CONTENTS and len(table.cells) >= _LEAST_REPEATS * contents else 0


def split_rows(
    table: Table, *, by: str | None = None, salt: str = "", drop: Sequence[str] = (), apart: bool = False
) -> np.ndarray:
    """Returns which rows evaluate, [rows] bool: a third, by the hash of their content or of the column `by`.

    Args:
        table: the rows.
        by: the column whose equal values stay together; None: equal rows do.
        salt: another one gives another split.
        drop: columns that the ingest leaves out, and that do not count.
        apart: whether equal rows may be on both sides.
    """
    from hilir.components.example_gen.readers.batch import Rows
    from hilir.components.example_gen.settings import ReadSettings, SplitSettings
    from hilir.components.example_gen.splits import assign

    split: dict[str, Any] = {"by": [by] if by is not None else [], "salt": salt}
    split |= {"equal_rows": "apart"} if apart else {}
    rows = Rows(table.batch, np.arange(table.batch.num_rows))
    settings = ReadSettings(split=SplitSettings(**split), drop=list(drop))
    chosen: np.ndarray = assign(rows, settings, None, (str(table.path), 0)) == 1
    return chosen


@dataclass(frozen=True)
class Time:
    """The column that decides which rows are the newest.

    Attributes:
        name: of the column.
        form: how its texts are times, as strptime has it; empty: the ingest reads them as they are.
        without: fraction of the rows that have none.
    """

    name: str
    form: str = ""
    without: float = 0.0


def find_time(table: Table, name: str) -> Time:
    """Returns how a column is read as times.

    Raises:
        ConfigError: its values are no times, or could be more than one.
    """
    cells = table.cells[name].dropna().astype(str).str.strip()
    present = cells[cells != ""]
    form = find_format(present)
    for candidate in ("", form if "%" in form else ""):
        valid = _read(table, name, candidate).valid
        if valid.any() and valid.sum() >= _ALMOST_ALL * len(present):
            return Time(name, candidate, float(1 - valid.mean()))
    why = {
        AMBIGUOUS: "have day and month in an order that could be either; write them in one that is clear",
        MIXED: "are written in many ways; write them in one",
    }.get(form, "are no times that rows could be split by; write numbers, or dates")
    example = present.iloc[0] if len(present) else ""
    raise ConfigError(f"--time {name}: its values, such as '{example}', {why}, for example 2026-11-30")


def split_by_time(table: Table, time: Time) -> np.ndarray:
    """Returns which rows evaluate: the newest third of them by a column, as the ingest has it."""
    from hilir.components.example_gen.times import Histogram

    found = _read(table, time.name, time.form)
    rows = Histogram()
    rows.add(found.values[found.valid])
    newest: np.ndarray = found.valid & (found.values >= rows.find_threshold(EVAL_SHARE))
    return newest


def _read(table: Table, name: str, form: str) -> Any:
    from hilir.components.example_gen.times import read_times

    return read_times(table.batch[name], form)
