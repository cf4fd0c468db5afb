"""What the values of a column are, counted over parts of the data and added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hilir.components.example_gen import numbers
from hilir.components.example_gen.readers.batch import is_list
from hilir.components.example_gen.settings import CsvSettings

Sample = tuple[int, int, str]
"""A value that decides: the number of the piece, of the row in it from 0, and the text."""


@dataclass
class Evidence:
    """Counts of a column's values, by what they are.

    Attributes:
        present: all of them.
        nans: NaN.
        words: texts that usually stand for a missing value, where no spellings are given.
        whole: whole numbers of 64 bits.
        huge: whole numbers of more.
        decimals: other numbers, `fractions` of which are not whole all the same, as 69.0 is.
        strings: values that the file says are strings.
        wrong: texts that are no numbers, `thousands` and `commas` of which look like 1,004 and 1,5.
        zeros: whole numbers that begin with a zero and more digits.
        minus: whole numbers below zero.
        holes: null within a list of values.
        nanoseconds: times and durations that are no whole microseconds.
        types: the types that files declare.
        samples: the first value of some of these.
    """

    present: int = 0
    nans: int = 0
    words: int = 0
    whole: int = 0
    huge: int = 0
    decimals: int = 0
    fractions: int = 0
    strings: int = 0
    wrong: int = 0
    thousands: int = 0
    commas: int = 0
    zeros: int = 0
    minus: int = 0
    holes: int = 0
    nanoseconds: int = 0
    types: list[str] = field(default_factory=list)
    samples: dict[str, Sample] = field(default_factory=dict)

    def add(self, other: Evidence) -> None:
        """Adds the evidence of rows that come after these."""
        for each in fields(self):
            if each.type == "int":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        self.types = sorted({*self.types, *other.types})
        self.samples = {**other.samples, **self.samples}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Evidence:
        """Returns what `vars` made."""
        samples = {name: (int(piece), int(row), str(text)) for name, (piece, row, text) in found["samples"].items()}
        return cls(**{**found, "samples": samples})


def observe_texts(texts: pa.StringArray, rows: np.ndarray, piece: int, settings: CsvSettings) -> Evidence:
    """Returns what the texts are.

    Args:
        texts: the cells, null where they are missing.
        rows: the number of each cell's row in the piece.
        piece: the number of the piece.
        settings: how numbers are written.
    """
    found = Evidence()
    texts = numbers.with_nulls(texts, settings)
    valid = pc.is_valid(texts)
    present = texts.filter(valid) if texts.null_count else texts
    found.present = len(present)
    if not len(present):
        return found
    places = rows[valid.to_numpy(zero_copy_only=False)] if texts.null_count else rows

    def sample(name: str, mask: pa.BooleanArray, among: np.ndarray | None = None) -> int:
        indices = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
        if len(indices):
            index = int(indices[0]) if among is None else int(among[indices[0]])
            found.samples[name] = (piece, int(places[index]), present[index].as_py()[:80])
        return len(indices)

    if numbers.cast_as_they_are(present, pa.int64(), settings) is not None:
        found.whole = len(present)
        _count_zeros(found, present, sample)
        return found
    if _observe_floats(found, present, sample, settings):
        return found
    is_number = numbers.is_number(present, settings)
    is_nan = pc.match_substring_regex(present, numbers.NAN)
    found.nans = _count(is_nan)
    wrong = pc.invert(is_number)
    if settings.nulls is None:
        words = pc.and_(wrong, pc.is_in(pc.utf8_trim_whitespace(present), pa.array(numbers.NULL_WORDS)))
        found.words = sample("words", words)
        wrong = pc.and_not(wrong, words)
    found.wrong = sample("wrong", wrong)
    if found.wrong:
        others = present.filter(wrong)
        found.thousands = _count(pc.match_substring_regex(others, numbers.THOUSANDS))
        found.commas = _count(pc.match_substring_regex(others, numbers.COMMA))
    rest = pc.and_not(is_number, is_nan)
    among = np.flatnonzero(rest.to_numpy(zero_copy_only=False))
    _split_numbers(found, present.filter(rest), among, sample, settings)
    return found


def _observe_floats(found: Evidence, present: pa.StringArray, sample: Any, settings: CsvSettings) -> bool:
    """Counts the values of a column of plain numbers; returns False, and counts nothing, if there is anything else."""
    floats = numbers.cast_as_they_are(present, pa.float64(), settings)
    if floats is None or not pc.all(pc.is_finite(floats)).as_py():
        return False
    with_point = pc.match_substring(present, ".")
    whole = present.filter(pc.invert(with_point))
    if len(whole) and numbers.cast_as_they_are(whole, pa.int64(), settings) is None:
        return False
    found.decimals, found.whole = sample("decimals", with_point), len(whole)
    if found.decimals:
        found.fractions = sample("fractions", pc.and_(with_point, _has_fraction(floats)))
        if not found.fractions:
            found.fractions = sample("fractions", pc.and_not(with_point, numbers.is_pointed(present, settings)))
    _count_zeros(found, whole, sample, np.flatnonzero(~with_point.to_numpy(zero_copy_only=False)))
    return True


def _split_numbers(
    found: Evidence, values: pa.StringArray, among: np.ndarray, sample: Any, settings: CsvSettings
) -> None:
    """Counts whole and other numbers."""
    if numbers.cast(values, pa.int64(), settings) is not None:
        found.whole = len(values)
        _count_zeros(found, values, sample, among)
        return
    is_whole = pc.match_substring_regex(numbers.plain(values, settings), numbers.WHOLE)
    found.decimals = sample("decimals", pc.invert(is_whole), among)
    is_fraction = pc.and_not(pc.invert(is_whole), numbers.is_pointed(values, settings))
    found.fractions = sample("fractions", is_fraction, among)
    texts, among = values.filter(is_whole), among[is_whole.to_numpy(zero_copy_only=False)]
    if numbers.cast(texts, pa.int64(), settings) is None:
        fits = pa.array([-(2**63) <= int(text) < 2**63 for text in numbers.plain(texts, settings).to_pylist()])
        found.huge = sample("huge", pc.invert(fits), among)
    found.whole = len(texts) - found.huge
    _count_zeros(found, texts, sample, among)


def _count_zeros(found: Evidence, values: pa.StringArray, sample: Any, among: np.ndarray | None = None) -> None:
    begins = pc.ascii_ltrim_whitespace(values)
    found.minus = _count(pc.starts_with(begins, "-"))
    if pc.any(pc.starts_with(begins, "0")).as_py():
        found.zeros = sample("zeros", pc.match_substring_regex(values, numbers.ZEROS), among)


def observe_values(values: pa.Array, rows: np.ndarray, piece: int) -> Evidence:
    """Returns what values are that have a type; of lists, each value counts."""
    found = Evidence(types=[] if pa.types.is_null(values.type) else [str(values.type)])
    if is_list(values.type):
        values = values.flatten()
        found.holes = values.null_count
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    count = len(values) - values.null_count
    found.present = count
    kind = kind_of(values.type)
    if kind == "int":
        if pa.types.is_uint64(values.type):
            large = pc.greater(values, pa.scalar(2**63 - 1, pa.uint64()))
            found.huge = _count(large)
            if found.huge:
                index = _first(large)
                found.samples["huge"] = (piece, int(rows[min(index, len(rows) - 1)]), str(values[index]))
        found.whole = count - found.huge
        found.nanoseconds = _count_nanoseconds(values)
    elif kind == "float":
        values = values.cast(pa.float64())
        found.nans = _count(pc.is_nan(values))
        found.decimals = count - found.nans
        is_fraction = pc.and_not(_has_fraction(values), pc.is_nan(values))
        found.fractions = _count(is_fraction)
        if found.fractions:
            index = _first(is_fraction)
            found.samples["fractions"] = (piece, int(rows[min(index, len(rows) - 1)]), str(values[index])[:80])
    elif kind == "string":
        found.strings = count
    if count:
        first = _first(pc.is_valid(values))
        row = int(rows[first]) if len(values) == len(rows) else int(rows[0])
        found.samples[f"type {kind}"] = (piece, row, str(values[first])[:80])
    return found


def _has_fraction(values: pa.DoubleArray) -> pa.BooleanArray:
    """Returns which numbers, NaN among them, are not whole, or too large for a float to say."""
    return pc.invert(pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**53)))


def _count_nanoseconds(values: pa.Array) -> int:
    if not pa.types.is_temporal(values.type) or getattr(values.type, "unit", "") != "ns":
        return 0
    return int(np.count_nonzero(values.drop_null().cast(pa.int64()).to_numpy() % 1000))


def kind_of(kind: pa.DataType) -> str | None:
    """Returns what a value of the type becomes: int, float or string; None: it cannot be an example's."""
    types = pa.types
    if types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_temporal(kind):
        return "int"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "float"
    binary: Sequence[bool] = (
        types.is_string(kind), types.is_large_string(kind), types.is_binary(kind), types.is_large_binary(kind),
        types.is_fixed_size_binary(kind), types.is_string_view(kind), types.is_binary_view(kind),
    )  # fmt: skip
    return "string" if any(binary) else None


def _first(mask: pa.BooleanArray) -> int:
    return int(np.flatnonzero(pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False))[0])


def _count(mask: pa.BooleanArray) -> int:
    return int(pc.sum(mask).as_py() or 0)
