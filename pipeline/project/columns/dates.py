"""Ways in which dates are written in texts and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

_YEAR_FIRST = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d")
_DAYS = (
    *_YEAR_FIRST,
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%d. %B %Y"),
)
_HOURS = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
_OTHERS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m", "%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
WHOLE = "%Y%m%d"
AMBIGUOUS, MIXED = "?", "mixed"
"""Instead of a format: day and month could be either; several formats in one column."""
SECONDS, MILLISECONDS = "s", "ms"
"""Instead of a format: whole numbers of these since 1970."""
_FITTING, _FIRST_LOOK = 0.95, 40
_FIRST_YEAR, _LAST_YEAR = 1700, 2200
_DATE_NAME = re.compile(r"date|day|dt|datum|tag", re.IGNORECASE)
_TIME_NAME = re.compile(r"time|epoch|unix|date|created|updated|(^|_)(ts|at|dt)$", re.IGNORECASE)
_FIRST_SECOND, _LAST_SECOND = 631_152_000, 4_102_444_800  # 1990 and 2100


def find_format(present: pd.Series) -> str:
    """Returns how the dates of a column are written, `AMBIGUOUS`, `MIXED`, or nothing if it has none."""
    sample = present.iloc[:: max(1, len(present) // 2000)]
    if not len(sample) or not sample.str.contains(r"\d").all() or sample.str.len().max() > 40:
        return ""
    head = sample.sample(min(len(sample), _FIRST_LOOK), random_state=1)
    some = [form for form in _list_formats() if _fits(head, form).any()]
    fitting = {form: _fits(sample, form) for form in some}
    fits = [form for form, found in fitting.items() if found.mean() >= _FITTING]
    if any(_swap(form) in fits for form in fits):
        return AMBIGUOUS
    if fits:
        return fits[0]
    # A year of two digits fits by chance.
    whole = [found for form, found in fitting.items() if "%Y" in form and "%d" in form]
    return MIXED if len(whole) > 1 and pd.concat(whole, axis=1).any(axis=1).mean() >= _FITTING else ""


def _list_formats() -> Iterator[str]:
    for day in _DAYS:
        yield from (f"{day}{hour}" for hour in _HOURS)
    yield from _OTHERS


def _fits(texts: pd.Series, form: str) -> pd.Series:
    dates = parse_dates(texts, form)
    found = dates.notna() & (dates.dt.year.between(_FIRST_YEAR, _LAST_YEAR))
    if "." in form and "%y" in form:
        # Not the versions 3.9.18 and 3.10.4.
        found &= texts.str.match(r"\d\d\.\d\d\.\d\d")
    if "%M" in form:
        # Not the score 3:2.
        found &= texts.str.contains(r":\d\d")
    return found


def _swap(form: str) -> str:
    swapped = form.translate(str.maketrans("dm", "md"))
    return swapped if swapped != form and "%b" not in form and "%B" not in form else ""


def find_whole_format(name: str, numbers: pd.Series) -> str:
    """Returns how whole numbers are dates, by their values and the column's name; nothing if they are none."""
    if _TIME_NAME.search(name):
        for unit, factor in ((SECONDS, 1), (MILLISECONDS, 1000)):
            if numbers.between(factor * _FIRST_SECOND, factor * _LAST_SECOND).all():
                return unit
    if not _DATE_NAME.search(name) or not numbers.between(19000101, 21001231).all():
        return ""
    dates = pd.to_datetime(numbers.astype(int).astype(str), format=WHOLE, errors="coerce")
    return WHOLE if dates.notna().all() else ""


def parse_dates(cells: pd.Series, form: str) -> pd.Series:
    """Returns the times of a column, without fractions of seconds and time zone; NaT where a cell is none."""
    if form in (SECONDS, MILLISECONDS):
        return pd.to_datetime(pd.to_numeric(cells, errors="coerce"), unit=form, errors="coerce")
    texts = cells.astype(str).str.strip()
    if form.endswith("%S"):
        texts = texts.str.replace(r"(\.\d+)?(Z| ?UTC|[+-]\d\d:?\d\d)?$", "", regex=True)
    return pd.to_datetime(texts, format=form, errors="coerce", exact=True)


def date_order(form: str) -> str:
    """Returns the parts of a date in their order, as the generated code reads them: `ymd`, `dmyH`, `bds` and so on.

    y is a year of four digits, s one of two, m a month, b a month's English name, d a day, H an hour, I one of twelve.
    """
    return "".join({"Y": "y", "y": "s", "B": "b"}.get(each, each) for each in form if each in "YymbBdHI")
