"""Decides what each column is, with the reason: by rules of AutoML tools, measured on tables of all kinds."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hilir.analysis.text import show_unprintable

NULLS = ("na", "n/a", "nan", "null", "none", "-", "?", "unknown")
"""Spellings of a missing value in a column of numbers or dates, in lower case; the empty cell is one everywhere."""

_TRUE_FALSE = (
    {"true", "false"},
    {"t", "f"},
    {"yes", "no"},
    {"y", "n"},
    {"ja", "nein"},
    {"ya", "tidak"},
    {"oui", "non"},
)
_NUMERIC = 0.95
_CONSTANT, _LEAST_CONSTANT_ROWS = 0.995, 400
_ID_NAME = re.compile(r"(?i:(^|[_\s.-])(id|uuid|guid|key|rowid|index|nr|no)$|^(id|uuid|guid)[_\s-])|[a-z]ID$|[a-z]Id$")
_ID_SHAPE = re.compile(
    r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,64}|[0-9A-HJKMNP-TV-Z]{26}"
)
_CODE_NAME = re.compile(r"code|type|class|zip|region|group|kind|categor|plz", re.IGNORECASE)
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%Y%m%d",
)
AMBIGUOUS = "?"
AMBIGUOUS = "?"
"""The format of a date whose day and month could be either."""
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_CATEGORY, _LARGE_CATEGORY, _ONE_HOT_INTS = 100, 10_000, 10
_LEAST_TEXT_ROWS = 500

FEATURES = ("number", "log number", "boolean", "category", "large category", "date", "text")
"""Kinds that become inputs of the model; all others are left out."""


@dataclass(frozen=True)
class Column:
    """What a column is.

    Attributes:
        name: in the file, stripped.
        kind: one of `FEATURES`, or `id`, `group`, `constant`, `empty`, `duplicate`, `ambiguous date`, `leak`, `time`.
        why: the reason, a few words.
        missing: fraction of rows without a value.
        distinct: number of different values in the sample.
        format: of a date, as strptime has it.
        is_int: all numbers are whole.
        type: what the ingest makes of the values: `INT`, `FLOAT` or `BYTES`.
        nulls: spellings of a missing value that it has.
    """

    name: str
    kind: str
    why: str
    missing: float = 0.0
    distinct: int = 0
    format: str = ""
    is_int: bool = False
    type: str = "BYTES"
    nulls: tuple[str, ...] = ()

    @property
    def is_feature(self) -> bool:
        """Whether the model gets it."""
        return self.kind in FEATURES


def decide_kinds(cells: pd.DataFrame, skip: Collection[str] = (), keep: Collection[str] = ()) -> list[Column]:
    """Returns what each column is, in their order.

    Args:
        cells: strings by column, None for empty cells.
        skip: columns that are something else already.
        keep: columns that are never left out as ids, constants or duplicates.
    """
    found: list[Column] = []
    seen: dict[tuple[int, str], str] = {}
    for name in cells.columns:
        if name in skip:
            continue
        column = _decide(str(name), cells[name], kept=name in keep)
        content = pd.util.hash_pandas_object(cells[name].fillna(""), index=False).to_numpy()
        mark = (len(content), content.tobytes().hex()[:64] + str(int(content.sum())))
        if column.is_feature and mark in seen and name not in keep:
            column = replace(column, kind="duplicate", why=f"the same values as '{seen[mark]}'")
        seen.setdefault(mark, str(name))
        found.append(column)
    return found


def parse_numbers(cells: pd.Series) -> pd.Series:
    """Returns the numbers of a column as floats; NaN where a cell is none."""
    texts = cells.astype(object).where(cells.notna(), None)
    stripped = texts.map(lambda text: text.strip() if isinstance(text, str) else text)
    return pd.to_numeric(stripped, errors="coerce").astype(float)


def find_type(given: pd.Series) -> str:
    """Returns what the ingest makes of values that are all numbers: `INT`, or `FLOAT` if one is written as such."""
    return "INT" if given.astype(str).str.fullmatch(r"\s*[+-]?\d+\s*").all() else "FLOAT"


def parse_dates(cells: pd.Series, form: str) -> pd.Series:
    """Returns the times of a column, without fractions of seconds and time zone; NaT where a cell is none."""
    texts = cells.astype(str).str.strip()
    if form.endswith("%S"):
        texts = texts.str.replace(r"(\.\d+)?(Z| ?UTC|[+-]\d\d:?\d\d)?$", "", regex=True)
    return pd.to_datetime(texts, format=form, errors="coerce", exact=True)


def is_null(cells: pd.Series) -> pd.Series:
    """Returns which cells are empty or spell a missing value."""
    return cells.isna() | cells.map(lambda text: isinstance(text, str) and text.strip().lower() in ("", *NULLS))


def _decide(name: str, cells: pd.Series, *, kept: bool) -> Column:
    blank = cells.map(lambda text: text is None or not str(text).strip())
    empty = cells.isna() | blank
    rows, present = len(cells), cells[~empty].astype(str).str.strip()
    missing = float(empty.mean())
    if not len(present):
        return Column(name, "empty", "no row has a value", 1.0)
    counts = present.value_counts()
    distinct = len(counts)
    share = counts.iloc[0] / rows
    constant = ""
    if distinct == 1 and missing == 0:
        constant = f"always '{_cut(counts.index[0])}'"
    elif max(share, missing) > _CONSTANT and rows >= _LEAST_CONSTANT_ROWS:
        most = "no value" if missing > share else f"'{_cut(counts.index[0])}'"
        constant = f"{max(share, missing):.1%} of the rows have {most}"
    column = _decide_values(name, cells, present, missing, distinct, kept=kept or bool(constant))
    return replace(column, kind="constant", why=constant) if constant and not kept else column


def _decide_values(
    name: str, cells: pd.Series, present: pd.Series, missing: float, distinct: int, *, kept: bool
) -> Column:
    lower = set(present.str.lower().unique()[:3])
    if distinct <= 2 and any(lower <= pair for pair in _TRUE_FALSE):
        return Column(name, "category", f"two values: {', '.join(sorted(present.unique()))}", missing, distinct)
    given = present[~present.str.lower().isin(NULLS)]
    spelled = tuple(sorted(set(present[present.str.lower().isin(NULLS)].unique())))
    numbers = parse_numbers(given)
    if len(given) and numbers.notna().all():
        lacking = missing + (len(present) - len(given)) / max(1, len(cells))
        column = _decide_numbers(name, numbers, lacking, spelled, kept=kept)
        return replace(column, type=find_type(given))
    date = _find_date_format(given)
    if date == AMBIGUOUS:
        return Column(
            name, "ambiguous date", f"'{_cut(given.iloc[0])}': day and month could be either", missing, distinct
        )
    if date:
        lacking = missing + (len(present) - len(given)) / max(1, len(cells))
        return Column(name, "date", f"dates like {_cut(given.iloc[0])}", lacking, distinct, date, nulls=spelled)
    return _decide_strings(name, present, missing, distinct, kept=kept)


def _decide_numbers(name: str, numbers: pd.Series, missing: float, nulls: tuple[str, ...], *, kept: bool) -> Column:
    distinct = int(numbers.nunique())
    whole = bool((numbers % 1 == 0).all())
    date = _find_whole_date(name, numbers) if whole else ""
    if date:
        return Column(
            name,
            "date",
            f"dates like {int(numbers.iloc[0])}",
            missing,
            distinct,
            date,
            is_int=True,
            nulls=nulls,
        )
    column = Column(name, "number", "numbers", missing, distinct, is_int=whole, nulls=nulls)
    if whole and not kept:
        reason = _find_id(name, numbers, distinct)
        if reason:
            return replace(column, kind="id", why=reason)
        if _ID_NAME.search(name) and len(numbers) / distinct >= 2 and distinct > 10 and distinct > 0.02 * len(numbers):
            return replace(column, kind="group", why=f"a key of {distinct:,} groups of rows")
    if whole and distinct <= _ONE_HOT_INTS and distinct > 2 and _CODE_NAME.search(name):
        return replace(column, kind="category", why=f"{distinct} codes")
    if numbers.min() >= 0 and distinct > 20 and _skew(numbers) > 2:
        return replace(column, kind="log number", why="numbers, most of them small")
    if whole and distinct == 2:
        return replace(column, why="two numbers")
    return column


def _find_id(name: str, numbers: pd.Series, distinct: int) -> str:
    rows = len(numbers)
    named = bool(_ID_NAME.search(name))
    if distinct == rows and rows >= 20:
        steps = np.diff(numbers.to_numpy())
        span = numbers.max() - numbers.min() + 1
        if (steps > 0).all() or (steps < 0).all() or rows >= 0.95 * span:
            return f"all {rows:,} values differ, in order or without gaps"
        if named:
            return f"all {rows:,} values differ, and it is called an id"
    if named and distinct > 0.5 * rows and rows >= 20:
        return f"{distinct / rows:.0%} of the values differ, and it is called an id"
    return ""


def _skew(numbers: pd.Series) -> float:
    spread = numbers.std()
    return float(((numbers - numbers.mean()) ** 3).mean() / spread**3) if spread > 0 else 0.0


def _decide_strings(name: str, present: pd.Series, missing: float, distinct: int, *, kept: bool) -> Column:
    rows = len(present)
    unique = pd.Series(present.unique())
    words = float(unique.str.split().str.len().mean())
    named = bool(_ID_NAME.search(name))
    if not kept and rows >= 20:
        if distinct == rows and (words < 3 or unique.str.fullmatch(_ID_SHAPE).all()):
            return Column(name, "id", f"all {rows:,} values differ", missing, distinct)
        if named and distinct > 0.5 * rows:
            return Column(
                name, "id", f"{distinct / rows:.0%} of the values differ, and it is called an id", missing, distinct
            )
        if (
            (named or unique.str.fullmatch(_ID_SHAPE).all())
            and rows / distinct >= 2
            and distinct > max(10, 0.02 * rows)
        ):
            return Column(name, "group", f"a key of {distinct:,} groups of rows", missing, distinct)
    is_long = (words >= 3 and distinct > 0.01 * rows) or unique.str.len().mean() > 30
    if is_long and distinct > _CATEGORY:
        if rows < _LEAST_TEXT_ROWS:
            return Column(name, "id", f"text, which {rows:,} rows are too few to learn from", missing, distinct)
        return Column(name, "text", f"{words:.0f} words on average", missing, distinct)
    if distinct > 0.5 * rows and rows < 10 * _LEAST_TEXT_ROWS and not kept:
        return Column(
            name, "id", f"{distinct / rows:.0%} of the values differ: too many to learn from", missing, distinct
        )
    if distinct > _CATEGORY:
        return Column(name, "large category", f"{distinct:,} different values", missing, distinct)
    return Column(name, "category", f"{distinct} different values", missing, distinct)


def _find_date_format(present: pd.Series) -> str:
    sample = present.iloc[:: max(1, len(present) // 2000)]
    if not len(sample) or not sample.str.contains(r"\d").all() or sample.str.len().max() > 32:
        return ""
    fits = []
    for form in DATE_FORMATS[:-1]:
        dates = parse_dates(sample, form)
        if dates.notna().mean() >= _NUMERIC and dates.dropna().dt.year.between(_FIRST_YEAR, _LAST_YEAR).all():
            fits.append(form)
    if {"%d/%m/%Y", "%m/%d/%Y"} <= set(fits):
        return AMBIGUOUS
    return fits[0] if fits else ""


def _find_whole_date(name: str, numbers: pd.Series) -> str:
    if not re.search(r"date|day|dt|datum|tag", name, re.IGNORECASE) or not numbers.between(19000101, 21001231).all():
        return ""
    dates = pd.to_datetime(numbers.astype(int).astype(str), format="%Y%m%d", errors="coerce")
    return "%Y%m%d" if dates.notna().all() else ""


def _cut(text: object) -> str:
    shown = show_unprintable(str(text))
    return shown if len(shown) <= 24 else shown[:23] + "…"
