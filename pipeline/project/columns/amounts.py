"""Numbers in texts: with a unit or a currency, and words for yes and no."""

from __future__ import annotations

import re
import unicodedata

import pandas as pd

TRUE = ("true", "t", "yes", "y", "1", "on", "ja", "j", "ya", "oui", "si", "sí", "x")
FALSE = ("false", "f", "no", "n", "0", "off", "nein", "tidak", "non")
_FITTING, _LEAST_VALUES = 0.95, 3
_CURRENCIES = r"[$€£¥₹₽₩₺]|US\$|R\$|USD|EUR|GBP|CHF|JPY|CNY|INR|IDR|Rp\.?|kr\.?|zł|Fr\.?"
_NUMBER = r"(?:\d{1,3}(?:[.,'’\s]\d{3})+|\d+)(?:[.,]\d+)?|\.\d+"
_AMOUNT = re.compile(
    rf"(?P<about>[<>≤≥~≈]=?\s*)?\(?[-+−]?\s*(?P<before>{_CURRENCIES})?\s*[-+−]?\(?\s*(?P<number>{_NUMBER})"
    rf"\s*(?P<after>[^\d\s.,()+-][^\d\s,()]{{0,11}})?\s*(?P<close>\))?(?P<more>\+)?"
)


def find_decimal(present: pd.Series) -> str:
    """Returns the decimal mark of a column of numbers with one and the same unit; nothing if it is none.

    Of `12 %`, `€ 1.234,50`, `$(120)`, `12.5 kg`, and of `7` with `<5` or `10+`;
    not of `B12`, `3rd`, `1 child`, `30 min` with `2 h`.
    """
    values = present.drop_duplicates().head(5000)
    if len(values) < _LEAST_VALUES:
        return ""
    found = values.map(_AMOUNT.fullmatch)
    matches = [match for match in found if match is not None]
    if len(matches) < _FITTING * len(values):
        return ""
    units = {(match["before"] or "", match["after"] or "") for match in matches if match["before"] or match["after"]}
    if not units and not any(match["close"] or match["about"] or match["more"] for match in matches):
        return ""
    bare = sum(not (match["before"] or match["after"] or match["close"]) for match in matches)
    if len(units) > 1 or (bare and any(after not in ("%", "") for _, after in units)):
        # Values without the unit, such as 12 and 12A, are of another sort.
        return ""
    return _decide_mark([match["number"] for match in matches])


def _decide_mark(numbers: list[str]) -> str:
    """Returns `.` or `,`: the one that comes last, or that is not followed by three digits."""
    votes = {".": 0, ",": 0}
    for number in numbers:
        marks = [each for each in number if each in ".,"]
        if not marks:
            continue
        last, other = marks[-1], "," if marks[-1] == "." else "."
        if other in marks or not re.fullmatch(rf"[1-9]\d{{0,2}}(\{last}\d{{3}})+", number):
            votes[last] += 1
        else:
            votes[other] += 1
    return "," if votes[","] > votes["."] else "."


def parse_amounts(cells: pd.Series, decimal: str) -> pd.Series:
    """Returns the numbers of a column as floats; NaN where a cell has none. The generated code does the same."""
    texts = cells.fillna("").astype(str).str.strip()
    texts = texts.str.replace(r"^([^(]*)\((.*)\)$", r"-\1\2", regex=True).str.replace("−", "-")
    kept = texts.str.replace(rf"[^\W\d_]+\.?|[^0-9{re.escape(decimal)}-]", "", regex=True)
    return pd.to_numeric(kept.str.replace(decimal, ".", regex=False), errors="coerce").astype(float)


def is_yes_or_no(present: pd.Series) -> bool:
    """Says whether all values of a column mean yes or no, in more than one spelling of one of them."""
    words = {unicodedata.normalize("NFKC", each).strip().casefold() for each in present.unique()[:20]}
    return bool(words & set(TRUE)) and bool(words & set(FALSE)) and words <= {*TRUE, *FALSE}


def parse_booleans(cells: pd.Series) -> pd.Series:
    """Returns 1.0 and 0.0; NaN where a cell is neither."""
    words = cells.fillna("").astype(str).str.strip().str.casefold()
    return words.map(dict.fromkeys(TRUE, 1.0) | dict.fromkeys(FALSE, 0.0)).astype(float)
