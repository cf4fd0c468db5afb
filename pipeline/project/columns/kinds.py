"""Decides what each column is, with the reason: by rules of AutoML tools, measured on tables of all kinds."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from hilir.components.example_gen.numbers import NULL_WORDS
from hilir.pipeline.project.columns import amounts, dates, units
from hilir.pipeline.project.columns.column import Column, cut
from hilir.pipeline.project.columns.several_values import decide_lists, decide_texts

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
_WHOLE, _DIGITS = re.compile(r"[+-]?\d+"), re.compile(r"\+?\d+")
_CONSTANT, _LEAST_CONSTANT_ROWS = 0.995, 400
_ID_NAME = re.compile(
    r"(?i:(^|[_\s.-])(id|uuid|guid|key|rowid|index|nr|nbr|no)\.?$|^(id|uuid|guid)[_\s-])|[a-z]ID$|[a-z]Id$"
)
_ROW_NAME = re.compile(r"(^|[_\s.-])(rowid|index)$", re.IGNORECASE)
_WHO = "customer|client|user|patient|subject|individual|person|household|member|account|student|participant"
_WHO += "|respondent|employee|visitor|session|device|kunde|patientin|pelanggan|pasien"
_WHO_NAME = re.compile(rf"({_WHO})", re.IGNORECASE)
_ID_SHAPE = re.compile(
    r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,64}|[0-9A-HJKMNP-TV-Z]{26}"
    r"|[^@\s]+@[^@\s]+\.[a-zA-Z]+"
)
_PHONE = re.compile(r"(?=(\D*\d){7})[+(]?[\d()/. -]{7,20}")
_CODE = re.compile(r"0\d+|\+\d{7,}")
_CODE_NAME = re.compile(r"code|type|class|zip|region|group|kind|categor|plz", re.IGNORECASE)
_PAIR = r"[^\W\d][\w.-]*\s?[:=]\s?[\w.+-]+"
_PAIRS = re.compile(rf"\s*{_PAIR}([\s;,|]+{_PAIR})+\s*")
_ALMOST_ALL = 0.9
_CATEGORY, _LARGE_CATEGORY, _ONE_HOT_INTS = 100, 10_000, 10
_LEAST_TEXT_ROWS = 500
_FILLED, _DENSE = 0.95, 0.2
_FEW_VECTORS = 20
_MOST_FLOAT, _MOST_INT = 3e38, 2.0**63


def decide_kinds(
    cells: pd.DataFrame,
    skip: Collection[str] = (),
    keep: Collection[str] = (),
    types: Mapping[str, str] | None = None,
) -> list[Column]:
    """Returns what each column is, in their order.

    Args:
        cells: strings by column, None for empty cells.
        skip: columns that are something else already.
        keep: columns that are never left out as ids, constants or duplicates.
        types: of columns of which the file says it: `string`, `strings` and `numbers` (lists of these), `nested`.
    """
    found: list[Column] = []
    seen: dict[tuple[int, str], str] = {}
    for name in cells.columns:
        if name in skip:
            continue
        column = _decide(str(name), cells[name], (types or {}).get(name, ""), kept=name in keep)
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


def read_numbers(cells: pd.Series, column: Column) -> pd.Series:
    """Returns the numbers of a column as floats, as the model will read them; NaN where a cell is none."""
    if column.format == "yes":
        return amounts.parse_booleans(cells)
    if column.units:
        return units.parse_measures(cells, column.units)
    if column.format:
        return amounts.parse_amounts(cells, column.format)
    return parse_numbers(cells.where(~is_null(cells), None)).clip(-_MOST_FLOAT, _MOST_FLOAT)


def has_numbers(present: pd.Series) -> bool:
    """Says whether some values of a column are numbers, which the ingest takes as a hint at what all of them are."""
    return bool(parse_numbers(present).notna().any())


def is_null(cells: pd.Series) -> pd.Series:
    """Returns which cells are empty or spell a missing value."""
    return cells.isna() | cells.map(lambda text: isinstance(text, str) and text.strip().lower() in ("", *NULLS))


def _decide(name: str, cells: pd.Series, kind: str, *, kept: bool) -> Column:
    if kind == "nested":
        return Column(name, "nested", "objects; write the fields that count into columns of their own", 0.0)
    blank = cells.map(lambda text: text is None or not str(text).strip())
    empty = cells.isna() | blank
    rows, present = len(cells), cells[~empty].astype(str).str.strip()
    missing = float(empty.mean())
    if not len(present):
        return Column(name, "empty", "no row has a value", 1.0)
    if not name:
        return Column(name, "id", "a column without a name, such as an index that was written with the rows", missing)
    if kind in ("strings", "numbers"):
        return decide_lists(name, present, missing, kind)
    counts = present.value_counts()
    distinct = len(counts)
    share = counts.iloc[0] / rows
    constant = ""
    if distinct == 1 and missing == 0:
        constant = f"always '{cut(counts.index[0])}'"
    elif max(share, missing) > _CONSTANT and rows >= _LEAST_CONSTANT_ROWS:
        most = "no value" if missing > share else f"'{cut(counts.index[0])}'"
        constant = f"{max(share, missing):.1%} of the rows have {most}"
    column = _decide_values(name, present, rows, missing, kind, kept=kept or bool(constant))
    column = replace(column, is_declared=not kind and column.type == "BYTES" and has_numbers(present))
    return replace(column, kind="constant", why=constant) if constant and not kept else column


def _decide_values(name: str, present: pd.Series, rows: int, missing: float, kind: str, *, kept: bool) -> Column:
    distinct = present.nunique()
    lower = set(present.str.lower().unique()[:3])
    if distinct <= 2 and any(lower <= pair for pair in _TRUE_FALSE):
        return Column(name, "category", f"two values: {', '.join(sorted(present.unique()))}", missing, distinct)
    given = present[~present.str.lower().isin(NULLS)]
    unspelled = missing + (len(present) - len(given)) / max(1, rows)
    numbers = parse_numbers(given)
    whole = numbers.notna() & (numbers % 1 == 0)
    is_code = bool(len(given)) and _is_code(given, kind)
    # Above 64 bits whole numbers would lose digits, so that they stay texts.
    is_long = bool((whole & (numbers.abs() >= _MOST_INT)).any() and given.str.fullmatch(_WHOLE).all())
    if len(given) and numbers.notna().all() and not is_code and not is_long:
        column = _decide_numbers(name, numbers, unspelled, kept=kept)
        spelled = {each for each in present[~present.index.isin(given.index)] if each.lower() != "nan"}
        if kind == "string" or not spelled <= set(NULL_WORDS):
            # Text for the ingest: the model reads the numbers from it.
            if column.format in (dates.SECONDS, dates.MILLISECONDS):
                column = replace(column, kind="number", format="")
            return replace(column, format=column.format or ("." if "number" in column.kind else ""))
        return replace(column, type=find_type(given))
    if not is_code and amounts.is_yes_or_no(given):
        words = sorted(given.unique())
        shown = ", ".join(words[:4]) + ("…" if len(words) > 4 else "")
        return Column(name, "number", f"words for yes and no: {shown}", unspelled, distinct, "yes")
    date = dates.find_format(given) if not is_code else ""
    if date == dates.AMBIGUOUS:
        why = f"'{cut(given.iloc[0])}': day and month could be either"
        return Column(name, "ambiguous date", why, missing, distinct)
    if date == dates.MIXED:
        shown = ", ".join(f"'{cut(each)}'" for each in given.unique()[:3])
        return Column(name, "mixed dates", f"{shown}: write them in one way", missing, distinct)
    if date:
        return Column(name, "date", f"dates like {cut(given.iloc[0])}", unspelled, distinct, date)
    decimal = amounts.find_decimal(given) if not is_code else ""
    if decimal:
        numbers = amounts.parse_amounts(given, decimal)
        column = _decide_numbers(name, numbers.dropna(), unspelled, kept=True)
        skewed = ", most of them small" if column.kind == "log number" else ""
        return replace(column, why=f"numbers like {cut(given.iloc[0])}{skewed}", format=decimal)
    what, found = ("", {}) if is_code else units.find_units(given)
    if found:
        column = _decide_numbers(name, units.parse_measures(given, found).dropna(), unspelled, kept=True)
        form = "clock" if units.is_clock(given) else "units"
        return replace(column, why=f"{what} like {cut(given.iloc[0])}", format=form, units=found)
    several = decide_texts(name, given, unspelled) if len(given) and not is_code else None
    if several is not None and (several.kind == "tags" or distinct > _FEW_VECTORS):
        return several
    return _decide_strings(name, present, missing, distinct, kept=kept)


def _is_code(given: pd.Series, kind: str) -> bool:
    """Says whether digits are a code: some begin with 0, or with + and are long, as postcodes and telephones do."""
    return bool(given.str.fullmatch(_DIGITS).all() and given.str.fullmatch(_CODE).any()) or (
        kind == "string"
        and bool(given.str.fullmatch(_DIGITS).all())
        and given.str.len().nunique() == 1
        and given.str.len().iloc[0] > 4
    )


def _decide_numbers(name: str, numbers: pd.Series, missing: float, *, kept: bool) -> Column:
    distinct = int(numbers.nunique())
    whole = bool((numbers % 1 == 0).all())
    date = dates.find_whole_format(name, numbers) if whole else ""
    if date:
        shown = int(numbers.iloc[0])
        since = {dates.SECONDS: "seconds since 1970", dates.MILLISECONDS: "milliseconds since 1970"}.get(date)
        why = f"{since}, like {shown}" if since else f"dates like {shown}"
        return Column(name, "date", why, missing, distinct, date, is_int=True)
    column = Column(name, "number", "numbers", missing, distinct, is_int=whole)
    if not (numbers.abs() < _MOST_FLOAT).any():
        return replace(column, kind="too large", why=f"numbers like {numbers.iloc[0]:.3g} do not fit into 32 bits")
    if whole and not kept:
        reason = _find_id(name, numbers, distinct)
        if reason:
            return replace(column, kind="id", why=reason)
        if _is_key_name(name) and len(numbers) / distinct >= 2 and distinct > 10 and distinct > 0.02 * len(numbers):
            return replace(column, kind="group", why=f"a key of {distinct:,} groups of rows")
    if whole and distinct <= _ONE_HOT_INTS and distinct > 2 and _CODE_NAME.search(name):
        return replace(column, kind="category", why=f"{distinct} codes")
    if numbers.min() >= 0 and distinct > 20 and _skew(numbers) > 2:
        return replace(column, kind="log number", why="numbers, most of them small")
    if whole and distinct == 2:
        return replace(column, why="two numbers")
    return column


def _is_key_name(name: str) -> bool:
    return bool((_ID_NAME.search(name) and not _ROW_NAME.search(name)) or _WHO_NAME.fullmatch(name))


def _find_id(name: str, numbers: pd.Series, distinct: int) -> str:
    rows = len(numbers)
    named = bool(_ID_NAME.search(name))
    if distinct == rows and rows >= 20:
        steps = np.diff(numbers.to_numpy())
        span = numbers.max() - numbers.min() + 1
        # A population that grows is in order too, but leaves out most numbers.
        in_order = bool((steps > 0).all() or (steps < 0).all())
        if (in_order and (named or rows >= _DENSE * span)) or rows >= _FILLED * span:
            return f"all {rows:,} values differ, in order or without gaps"
        if named:
            return f"all {rows:,} values differ, and it is called an id"
    if named and distinct > 0.5 * rows and rows >= 20:
        return f"{distinct / rows:.0%} of the values differ, and it is called an id"
    return ""


def _skew(numbers: pd.Series) -> float:
    numbers = numbers[np.isfinite(numbers)]
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
        if distinct > 0.5 * rows and unique.str.fullmatch(_PHONE).all():
            return Column(name, "id", "telephone numbers", missing, distinct)
        if named and distinct > 0.5 * rows:
            return Column(
                name, "id", f"{distinct / rows:.0%} of the values differ, and it is called an id", missing, distinct
            )
        if (
            (_is_key_name(name) or unique.str.fullmatch(_ID_SHAPE).all())
            and rows / distinct >= 2
            and distinct > max(10, 0.02 * rows)
        ):
            return Column(name, "group", f"a key of {distinct:,} groups of rows", missing, distinct)
    if unique.str.fullmatch(_PAIRS).mean() > _ALMOST_ALL:
        why = f"names with values like {cut(present.iloc[0])}: write a column for each name"
        return Column(name, "id", why, missing, distinct)
    is_long = (words >= 3 and distinct > 0.01 * rows) or unique.str.len().mean() > 30
    if is_long and distinct > _CATEGORY:
        if rows < _LEAST_TEXT_ROWS:
            return Column(name, "id", f"text, which {rows:,} rows are too few to learn from", missing, distinct)
        return Column(name, "text", f"{words:.0f} words on average", missing, distinct)
    if distinct > (0.5 if rows < 10 * _LEAST_TEXT_ROWS else 0.9) * rows and not kept:
        return Column(
            name, "id", f"{distinct / rows:.0%} of the values differ: too many to learn from", missing, distinct
        )
    if distinct > _CATEGORY:
        return Column(name, "large category", f"{distinct:,} different values", missing, distinct)
    return Column(name, "category", f"{distinct} different values", missing, distinct)
