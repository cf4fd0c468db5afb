"""The split that the ingest will make of the rows, known before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hilir.pipeline.project.columns.dates import parse_dates
from hilir.pipeline.project.columns.kinds import parse_numbers
from hilir.pipeline.project.table_sample import Table

EVAL_SHARE = 0.33
"""Fraction of the rows that evaluate in a split by time."""
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


def split_by_time(table: Table, name: str, form: str) -> np.ndarray:
    """Returns which rows evaluate: the newest third of them by a column."""
    cells = table.cells[name]
    times = parse_dates(cells, form).astype("int64") if form else parse_numbers(cells)
    order = np.argsort(np.asarray(times), kind="stable")
    chosen: np.ndarray = np.zeros(len(cells), bool)
    chosen[order[round(len(cells) * (1 - EVAL_SHARE)) :]] = True
    return chosen
