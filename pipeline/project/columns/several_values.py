"""Several values in one cell: lists, and texts that a mark separates."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd

from hilir.pipeline.project.columns.column import Column, cut

NUMBERS = "numbers"
"""Instead of what separates tags: the texts are as many numbers each."""
_BRACKETS = re.compile(r"[\[\]{}\"']")
_MARKS = ("|", ";", ",", "/")
_MOST_TAGS = 200
_SOME, _LEAST_OF_A_TAG, _FEW, _MOST_WORDS = 0.1, 5, 10, 3
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_BETWEEN = re.compile(r"#(\s*[/x×*,;|±(]\s*#)+", re.IGNORECASE)
_FITTING, _MOST_NUMBERS = 0.95, 64


def decide_lists(name: str, present: pd.Series, missing: float, kind: str) -> Column:
    """Decides on lists of `numbers` or `strings`, which are written as JSON."""
    lists = present.map(json.loads)
    if kind == "numbers":
        lengths = lists.map(len)
        width = int(lengths.iloc[0])
        if lengths.nunique() == 1 and width > 0:
            return Column(name, "vector", f"lists of {width} numbers", missing, width, type="FLOAT", width=width)
        return Column(name, "list", "lists of numbers, some longer than others", missing, type="FLOAT")
    tags = lists.explode().dropna()
    distinct = int(tags.nunique())
    if not distinct:
        return Column(name, "empty", "no row has a value", 1.0)
    if distinct > max(_MOST_TAGS, 0.05 * len(tags)):
        return Column(name, "list", f"lists of {distinct:,} different values: too many to learn from", missing)
    return Column(name, "tags", f"lists of {distinct} different values", missing, distinct)


def decide_texts(name: str, present: pd.Series, missing: float) -> Column | None:
    """Decides on texts with several values in each: tags, or as many numbers in each; None for all others.

    Tags are values that come again in other combinations, such as `Drama|War`; not names (`Ode, Mr. Li`), or places of
    which each has its own value (`Ulm, Germany`). Numbers are `120/80`, `12 x 40`, `48.1, 11.5`, `7 (3.5%)` and
    `[1, 2, 3]`; not
    versions, telephones and ranges, which have other marks.
    """
    combinations = present.nunique()
    width = _count_numbers(present)
    if width:
        why = f"{width} numbers in a text like {cut(present.iloc[0])}"
        is_number = present.map(_count_marks).eq("/").all() and combinations == len(present)
        # A file number, such as 1234/2021, has another value in each row.
        return None if is_number else Column(name, "vector", why, missing, combinations, NUMBERS, width=width)
    for mark in _MARKS:
        if combinations <= _FEW or present.str.contains(mark, regex=False).mean() < _SOME:
            continue
        counts = present.map(lambda text, mark=mark: split(text, mark)).explode().value_counts()
        distinct = len(counts)
        if (
            distinct <= min(_MOST_TAGS, combinations - 1)
            and counts.sum() >= _LEAST_OF_A_TAG * distinct
            and counts.index.str.split().map(len).to_series().mean() <= _MOST_WORDS
            and pd.to_numeric(counts.index, errors="coerce").isna().any()
        ):
            why = f"{distinct} different values, several in a cell with '{mark}' between them"
            return Column(name, "tags", why, missing, distinct, mark)
    return None


def _count_numbers(present: pd.Series) -> int:
    """Returns how many numbers each text has, between marks that separate nothing else; 0 if they are not alike."""
    sample = present.iloc[:: max(1, len(present) // 2000)].map(lambda text: _BRACKETS.sub("", text).strip("()% \t"))
    skeletons = sample.map(lambda text: _NUMBER.sub("#", text))
    widths = skeletons.str.count("#")
    width = int(widths.mode().iloc[0])
    fits = (widths == width) & skeletons.str.fullmatch(_BETWEEN)
    return width if 2 <= width <= _MOST_NUMBERS and fits.mean() >= _FITTING else 0


def _count_marks(text: str) -> str:
    return "".join(sorted(set(re.sub(r"[\d\s.]", "", text))))


def split(text: str, mark: str) -> list[str]:
    """Returns the tags of a text; the generated code does the same."""
    return [tag for tag in map(str.strip, _BRACKETS.sub("", text).split(mark)) if tag]


def read_tags(cells: pd.Series, column: Column) -> pd.Series:
    """Returns the set of each row's tags."""
    return cells.map(
        lambda text: (
            set(split(text, column.format) if column.format else json.loads(text)) if isinstance(text, str) else set()
        )
    )


def read_vectors(cells: pd.Series, column: Column) -> np.ndarray:
    """Returns the numbers of each row, [rows, width]; NaN where it has none, or not as many."""

    def read(text: object) -> list[float]:
        numbers: list[float] = []
        if isinstance(text, str):
            numbers = list(map(float, _NUMBER.findall(text))) if column.format == NUMBERS else json.loads(text)
        return numbers if len(numbers) == column.width else [np.nan] * column.width

    numbers: np.ndarray = np.array([read(text) for text in cells], float).reshape(-1, column.width)
    return numbers
