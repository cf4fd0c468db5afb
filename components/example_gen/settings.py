"""How data files are read: forms, types, splits and spans, as the configuration gives them to the step."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from hilir.components.example_gen.spans import read_number
from hilir.components.settings import NonNegativeInt, PositiveInt, Section

Kind = Literal["int", "float", "string"]
Form = Literal["auto", "csv", "parquet", "feather", "jsonl", "tfrecord"]


class CsvSettings(Section):
    """The dialect of CSV files.

    `nulls` are the spellings of a missing value; None: the empty cell, and in columns of numbers the usual ones.
    `names` are the columns of files without a header.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    decimal: str = "."
    thousands: str | None = None
    nulls: list[str] | None = None
    encoding: str = "auto"
    names: list[str] | None = None

    @field_validator("delimiter", "quote", "escape", "decimal", "thousands")
    @classmethod
    def _is_one_character(cls, mark: str | None) -> str | None:
        if mark is not None and (len(mark) != 1 or not mark.isascii() or mark in "\r\n"):
            raise ValueError(f"must be one ASCII character, and is '{mark}'")
        return mark

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            if encoding != "auto":
                "".encode(encoding)
        except LookupError:
            raise ValueError(f"'{encoding}' is not a known encoding; write for example 'latin-1' or 'utf-16'") from None
        return encoding

    @field_validator("names")
    @classmethod
    def _names_differ(cls, names: list[str] | None) -> list[str] | None:
        doubled = sorted({name for name in names or [] if (names or []).count(name) > 1})
        if doubled:
            raise ValueError(f"gives the name '{doubled[0]}' more than once; give each column a name of its own")
        return names or None

    @model_validator(mode="after")
    def _marks_differ(self) -> CsvSettings:
        marks = [self.delimiter, self.quote, self.escape]
        given = [mark for mark in marks if mark is not None]
        if len(set(given)) < len(given):
            raise ValueError("delimiter, quote and escape must be different characters")
        if self.thousands == self.decimal:
            raise ValueError("decimal and thousands must be different characters")
        return self


class TimeSplit(Section):
    """A split by time: rows from `eval_after` on, or the newest `eval_share` of the rows, are for evaluation.

    `format` is how texts are times, as strptime has it; without one they are ISO 8601 or numbers.
    """

    column: str
    format: str = ""
    eval_after: str | int | float | None = None
    eval_share: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_is_given(self) -> TimeSplit:
        if (self.eval_after is None) == (self.eval_share is None):
            raise ValueError("needs one of eval_after (a date or number) and eval_share (a fraction of the rows)")
        return self


class SplitSettings(Section):
    """What decides on which side a row comes: the whole row, the columns `by`, or a time."""

    by: list[str] = Field(default_factory=list)
    time: TimeSplit | None = None
    salt: str = ""
    equal_rows: Literal["together", "apart"] = "together"

    @model_validator(mode="after")
    def _one_way(self) -> SplitSettings:
        if self.equal_rows == "apart" and (self.by or self.time is not None):
            other = "by" if self.by else "time"
            raise ValueError(f"has '{other}', by which equal rows stay together; remove it, or equal_rows: apart")
        if self.by and self.time is not None:
            raise ValueError("gives both 'by' and 'time'; a row can be split in one way only, remove one")
        return self


class SpanSettings(Section):
    """The spans that a run reads: the newest ones, or those of a range (numbers, or days as 2026-11-30)."""

    # `from` is a word of Python.
    model_config = ConfigDict(populate_by_name=True)

    newest: PositiveInt | None = None
    first: int | str | None = Field(default=None, alias="from")
    last: int | str | None = Field(default=None, alias="to")

    @field_validator("first", "last")
    @classmethod
    def _is_a_span(cls, value: int | str | None) -> int | str | None:
        try:
            if value is not None and read_number(value) < 0:
                raise ValueError
        except ValueError:
            raise ValueError(f"must be the number of a span, or a day such as 2026-11-30, and is '{value}'") from None
        return value

    @model_validator(mode="after")
    def _is_a_range(self) -> SpanSettings:
        newest, first, last = self.bounds()
        if newest is not None and last is not None:
            raise ValueError("gives both 'newest' and 'to'; give one of them")
        if first is not None and last is not None and first > last:
            raise ValueError(f"'from' ({self.first}) is after 'to' ({self.last}); exchange them")
        return self

    def bounds(self) -> tuple[int | None, int | None, int | None]:
        """Returns how many of the newest spans, the first and the last one as numbers; None: not given."""
        first = None if self.first is None else read_number(self.first)
        return self.newest, first, None if self.last is None else read_number(self.last)


class ReadSettings(Section):
    """Everything that decides what the examples are, other than the files; `rows` is about how many rows to take.

    `trained_on` is the split that a split by time gives the older rows to; `pushed` is the folder of the model's
    versions, whose last one says which types the columns had.
    """

    format: Form = "csv"
    csv: CsvSettings = CsvSettings()
    columns: dict[str, Kind] = Field(default_factory=dict)
    rename: dict[str, str] = Field(default_factory=dict)
    drop: list[str] = Field(default_factory=list)
    splits: dict[str, PositiveInt] = Field(default_factory=lambda: {"train": 2, "eval": 1})
    split: SplitSettings = SplitSettings()
    on_bad_rows: Literal["error", "skip"] = "error"
    max_bad_rows: float = Field(default=0.01, ge=0, le=1)
    rows: NonNegativeInt | None = None
    trained_on: str = "train"
    pushed: str = ""
