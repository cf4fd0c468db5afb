"""Numbers in texts: what counts as one, with the marks that the data uses."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from hilir.components.example_gen.settings import CsvSettings

NULL_WORDS = (
    "NA",
    "N/A",
    "#N/A",
    "n/a",
    "na",
    "NULL",
    "Null",
    "null",
    "NONE",
    "None",
    "none",
    "-",
    "--",
    "?",
    ".",
    "<NA>",
    "#NA",
)
"""What stands for a missing value in a column of numbers, where `data.csv.nulls` does not say."""

NUMBER = r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|[nN][aA][nN]|[iI][nN][fF](inity)?)$"
NAN = r"^[+-]?[nN][aA][nN]$"
WHOLE = r"^[+-]?\d+$"
ZEROS = r"^\s*0\d+\s*$"
"""A whole number that begins with a zero, as codes do: as a number it loses digits."""

THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
COMMA = r"^[+-]?\d+,\d+$"


def with_nulls(texts: pa.StringArray, settings: CsvSettings) -> pa.StringArray:
    """Returns the texts with those that `data.csv.nulls` lists as null."""
    words = [word for word in settings.nulls or [] if word]
    return texts if not words else _without(texts, pc.is_in(texts, pa.array(words)))


def without_missing(texts: pa.StringArray, settings: CsvSettings) -> pa.StringArray:
    """Returns the texts of a column of numbers with NaN, and the usual words for a missing value, as null."""
    missing = pc.match_substring_regex(texts, NAN)
    if settings.nulls is None:
        missing = pc.or_(missing, pc.is_in(pc.utf8_trim_whitespace(texts), pa.array(NULL_WORDS)))
    return _without(texts, missing)


def plain(texts: pa.StringArray, settings: CsvSettings) -> pa.StringArray:
    """Returns the texts as Arrow reads numbers: without white space, '+' and thousands marks, with '.' for decimals."""
    texts = pc.utf8_ltrim(pc.utf8_trim_whitespace(texts), "+")
    if settings.thousands is not None:
        decimal = re.escape(settings.decimal)
        mark = re.escape(settings.thousands)
        grouped = pc.match_substring_regex(texts, rf"^-?\d{{1,3}}({mark}\d{{3}})+({decimal}\d*)?$")
        texts = pc.if_else(grouped, pc.replace_substring(texts, settings.thousands, ""), texts)
    if settings.decimal != ".":
        # A point is no decimal mark here: 1.5 must not become a number.
        texts = pc.replace_substring(pc.replace_substring(texts, ".", "\0"), settings.decimal, ".")
    return texts


def cast_as_they_are(texts: pa.StringArray, kind: pa.DataType, settings: CsvSettings) -> pa.Array | None:
    """Returns the texts as numbers if Arrow reads all of them so, which is quick; NaN stays."""
    if settings.decimal != "." or settings.thousands is not None:
        return None
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        return None


def cast(texts: pa.StringArray, kind: pa.DataType, settings: CsvSettings) -> pa.Array | None:
    """Returns the texts as numbers; None: not all of them are."""
    found = cast_as_they_are(texts, kind, settings)
    if found is not None:
        return found
    try:
        return pc.cast(plain(texts, settings), kind)
    except pa.ArrowInvalid:
        return None


def cast_whole(texts: pa.StringArray, settings: CsvSettings) -> pa.Array | None:
    """Returns texts such as 69 and 69.0 as whole numbers; None: not all of them are."""
    try:
        return pc.cast(pc.replace_substring_regex(plain(texts, settings), r"\.0*$", ""), pa.int64())
    except pa.ArrowInvalid:
        return None


def is_pointed(texts: pa.StringArray, settings: CsvSettings) -> pa.BooleanArray:
    """Returns which texts are whole numbers as pandas writes those of a column with an empty cell: 69.0."""
    return pc.match_substring_regex(plain(texts, settings), r"^-?\d+\.0*$")


def is_number(texts: pa.StringArray, settings: CsvSettings) -> pa.BooleanArray:
    """Returns which texts are numbers; null for null."""
    return pc.match_substring_regex(plain(texts, settings), NUMBER)


def _without(texts: pa.StringArray, missing: pa.BooleanArray) -> pa.StringArray:
    return pc.if_else(pc.fill_null(missing, fill_value=False), pa.scalar(None, pa.string()), texts)
