"""The split that the ingest will make of the rows, known before it runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hilir.pipeline.project.kinds import parse_dates, parse_numbers

_SEPARATOR = "\x1f"
_BOUNDS = (2, 3)
EVAL_SHARE = 1 / 3


def split_rows(cells: pd.DataFrame, *, by: Sequence[str] = (), salt: str = "") -> np.ndarray:
    """Returns which rows evaluate, [rows] bool: a third, by the hash of their content or of the columns `by`."""
    from hilir.components.example_gen.splits import split_of

    names = list(by) or sorted(cells.columns)
    columns = [cells[name].fillna("").astype(str) for name in names]
    mark = f"{salt}{_SEPARATOR}" if salt else ""
    keys = (mark + _SEPARATOR.join(row) for row in zip(*columns, strict=True))
    chosen: np.ndarray = np.fromiter((split_of(key.encode(), _BOUNDS) == 1 for key in keys), bool, len(cells))
    return chosen


def split_by_time(cells: pd.Series, form: str, decimal: str) -> np.ndarray:
    """Returns which rows are for evaluation: the newest third of them."""
    times = parse_dates(cells, form).astype("int64") if form else parse_numbers(cells, decimal)
    order = np.argsort(np.asarray(times), kind="stable")
    chosen: np.ndarray = np.zeros(len(cells), bool)
    chosen[order[round(len(cells) * (1 - EVAL_SHARE)) :]] = True
    return chosen
