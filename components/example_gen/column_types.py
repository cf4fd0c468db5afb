"""Decides the one type that a column has in the whole data set, and says why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.errors import IngestError
from hilir.components.example_gen.column_evidence import Evidence, Sample
from hilir.components.example_gen.settings import ReadSettings
from hilir.components.yaml_text import show_key

# A column in which at most this share of the values are not numbers is taken for a column of numbers with
# mistakes in it, not for a column of strings.
_MISTAKES = 0.05


class Places(Protocol):
    """Describes where values are, for the user."""

    def find(self, name: str, sample: Sample) -> str:
        """Returns file, column, row and line of a mistake; may read the file."""
        ...

    def show(self, sample: Sample) -> str:
        """Returns file and row of a value that decided."""
        ...


@dataclass(frozen=True)
class Column:
    """What a column becomes.

    Attributes:
        kind: int, float or string; None: no row has a value, and it is left out.
        why: the reason, for the user.
        note: what is done to values that the user may not expect; empty: nothing.
        checked: whether there are values that do not fit, whose rows are left out.
        length: how many values a row has to have, or it is left out; None: any number.
    """

    kind: str | None
    why: str
    note: str = ""
    checked: bool = False
    length: int | None = None


@dataclass(frozen=True)
class Before:
    """What columns were for the version before.

    Attributes:
        kinds: their types: int, float or string.
        lengths: how many values each row had, of columns whose rows all had the same number, more than one.
    """

    kinds: Mapping[str, str]
    lengths: Mapping[str, int]


NOTHING = Before({}, {})
"""There was no version before."""


def read_before(schema: schema_pb2.Schema) -> Before:
    """Returns what a schema says of its columns."""
    kinds = {schema_pb2.INT: "int", schema_pb2.FLOAT: "float", schema_pb2.BYTES: "string"}
    lengths = {each.name: math.prod(dim.size for dim in each.shape.dim) for each in schema.feature}
    return Before(
        {each.name: kinds[each.type] for each in schema.feature if each.type in kinds},
        {name: length for name, length in lengths.items() if length > 1},
    )


def decide(
    found: Mapping[str, Evidence],
    settings: ReadSettings,
    places: Places,
    before: Before = NOTHING,
) -> dict[str, Column]:
    """Returns the type of each column.

    A column that was wider for the version before is so again: a month of whole numbers alone, or of codes that all
    are numbers, is no other column. Nor are whole numbers that are written as 69.0, as pandas does beside an empty
    cell. A list of another length than all rows had is a mistake in its row, which is left out if such rows are.

    Args:
        found: the evidence of all rows, by column.
        settings: declared types, and what happens to rows with mistakes.
        places: describes where a value is.
        before: what the columns were for the version before.

    Raises:
        IngestError: a value does not fit the type that is declared, or that all others have.
    """
    lengths = before.lengths if settings.on_bad_rows == "skip" else {}
    return {
        name: replace(
            _Decision(name, each, settings, places, before.kinds.get(name)).decide(), length=lengths.get(name)
        )
        for name, each in found.items()
    }


class _Decision:
    def __init__(self, name: str, found: Evidence, settings: ReadSettings, places: Places, before: str | None) -> None:
        self._name, self._found, self._settings, self._places = name, found, settings, places
        self._before = before
        self._skip = settings.on_bad_rows == "skip"

    def decide(self) -> Column:
        declared = self._settings.columns.get(self._name)
        found = self._found
        if declared == "string":
            return Column("string", "declared in data.columns")
        if declared is not None:
            return self._declared(declared)
        if found.present - found.nans == 0:
            return Column(None, "no row has a value", f"column '{self._name}' is left out: no row has a value")
        if not self._name:
            if found.whole == found.present:
                # As pandas writes a frame's index.
                note = (
                    "a column without a name is left out: it has whole numbers alone, such as an index; "
                    "data.csv.names gives it a name"
                )
                return Column(None, "an index without a name", note)
            raise IngestError(
                f"{self._where()}: a column without a name has values; "
                f"name the columns with data.csv.names, or leave it out with data.drop: ['']"
            )
        if self._before == "string":
            return Column("string", "as for the version before")
        # Codes have no sign and no decimals: -05 and 00.5 are padded numbers.
        if found.zeros and not (found.minus or found.decimals or found.strings):
            return self._codes()
        if found.strings or found.wrong or not (found.whole + found.huge + found.decimals):
            return self._text()
        return self._number()

    def _declared(self, declared: str) -> Column:
        found = self._found
        misfits = ["type string", "wrong"] + (["fractions", "huge"] if declared == "int" else ["huge"])
        counts = {
            "wrong": found.wrong, "type string": found.strings, "fractions": found.fractions,
            "huge": found.huge if declared == "int" else 0,
        }  # fmt: skip
        wrong = [each for each in misfits if counts[each] and each in found.samples]
        if wrong and not self._skip:
            raise IngestError(self._mistake(wrong[0], declared))
        return Column(declared, "declared in data.columns", self._missing(), checked=bool(wrong))

    def _text(self) -> Column:
        """Decides on a column in which not all values are numbers."""
        found = self._found
        numbers = found.whole + found.huge + found.decimals
        if found.strings:
            declared = f"the files' types are {', '.join(found.types)}" if found.types else "the files have strings"
            others = numbers and f"column '{self._name}' is text: {found.strings:,} of its values are strings"
            note = f"{others}, the first {self._sample('type string')}" if others else ""
            return Column("string", declared, note)
        like = max(found.thousands, found.commas)
        if like and numbers + like >= (1 - _MISTAKES) * (numbers + found.wrong):
            raise IngestError(self._grouped())
        if found.present >= 1 / _MISTAKES and found.wrong <= _MISTAKES * found.present and numbers:
            if not self._skip:
                raise IngestError(self._mistake("wrong", "float"))
            return self._number(checked=True)
        if not found.wrong:
            return Column("string", "all values are words")
        note = ""
        if numbers:
            note = (
                f"column '{self._name}' is text: {found.wrong:,} of {found.present:,} values are not numbers, "
                f"the first {self._sample('wrong')}"
            )
        why = f"{found.wrong:,} of {found.present:,} values are not numbers" if numbers else "no value is a number"
        return Column("string", why, note)

    def _codes(self) -> Column:
        """Decides on a column with values that lose digits as numbers: zip codes, telephone and article numbers."""
        found = self._found
        note = (
            f"column '{self._name}' is text: {found.zeros:,} of {found.present:,} values begin with 0 and more digits, "
            f"the first {self._sample('zeros')}, and would lose digits as numbers; if they are quantities, set "
            f"'data.columns: {{{show_key(self._name)}: {'float' if found.huge else 'int'}}}'"
        )
        return Column("string", f"{found.zeros:,} of {found.present:,} values begin with 0 and more digits", note)

    def _number(self, *, checked: bool = False) -> Column:
        found = self._found
        note = self._missing()
        if found.huge and not found.decimals:
            note = (
                f"column '{self._name}' is text: whole numbers of more than 64 bits, the first "
                f"{self._sample('huge')}, would lose digits; if they are quantities, set "
                f"'data.columns: {{{show_key(self._name)}: float}}'"
            )
            return Column("string", f"{found.huge:,} whole numbers do not fit into 64 bits", note)
        if self._before == "int" and found.decimals and not (found.fractions or found.huge):
            return Column("int", "as for the version before; all values are whole numbers", note, checked)
        if found.decimals or found.huge:
            key = "decimals" if "decimals" in found.samples else "type float"
            first = f", the first {self._sample(key)}" if key in found.samples and found.whole else ""
            count = found.decimals + found.huge
            share = f"{count:,} of {self._rest():,}" if found.whole else "all"
            return Column("float", f"{share} values have decimals{first}", note, checked)
        if self._before == "float":
            return Column("float", "as for the version before; all values are whole numbers", note, checked)
        why = f"the files' types are {', '.join(found.types)}" if found.types else "all values are whole numbers"
        return Column("int", why, note, checked)

    def _rest(self) -> int:
        return self._found.whole + self._found.huge + self._found.decimals

    def _missing(self) -> str:
        notes = []
        if self._found.words:
            text = self._found.samples["words"][2]
            notes.append(
                f"column '{self._name}': {self._found.words:,} cells such as '{text}' are read as missing values"
            )
        if self._found.nanoseconds:
            notes.append(
                f"column '{self._name}': {self._found.nanoseconds:,} times have nanoseconds, which are cut to whole "
                f"microseconds; to keep them, set 'data.columns: {{{show_key(self._name)}: string}}'"
            )
        return "; ".join(notes)

    def _sample(self, key: str) -> str:
        return f"'{self._found.samples[key][2]}' ({self._places.show(self._found.samples[key])})"

    def _where(self) -> str:
        return self._places.find(self._name, next(iter(self._found.samples.values()), (0, 0, "")))

    def _mistake(self, key: str, kind: str) -> str:
        sample = self._found.samples[key]
        what = "a whole number of 64 bits" if kind == "int" and key != "wrong" else "a number"
        other = "float}' if it may have decimals" if key == "fractions" else "string}' if it is a column of strings"
        return (
            f"{self._places.find(self._name, sample)} contains '{sample[2]}', which is not {what} like the column's "
            f"other values; fix the row, or set 'data.columns: {{{show_key(self._name)}: {other}"
        )

    def _grouped(self) -> str:
        sample = self._found.samples["wrong"]
        both = self._found.thousands and self._found.commas
        remedies = [
            *(["data.csv.thousands: ','"] if self._found.thousands else []),
            *(["data.csv.decimal: ','"] if not self._found.thousands or (both and not self._found.decimals) else []),
        ]
        return (
            f"{self._places.find(self._name, sample)} contains '{sample[2]}', a number with a comma; "
            f"set {' or '.join(remedies)}, or 'data.columns: {{{show_key(self._name)}: string}}' if it is a column of "
            f"strings"
        )
