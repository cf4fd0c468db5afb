"""All that is known of a new project before its files are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hilir.pipeline.project.columns.column import Column
from hilir.pipeline.project.columns.dates import MILLISECONDS, SECONDS
from hilir.pipeline.project.label import Label
from hilir.pipeline.project.simple_models import Baseline
from hilir.pipeline.project.split_preview import Time
from hilir.pipeline.project.table_sample import Table

_GAPS = 0.01


@dataclass(frozen=True)
class Design:
    """A project as it will be written.

    Attributes:
        name: of the model, as it is served.
        package: import path of the package.
        table: the rows.
        label: what is predicted.
        columns: what each other column is.
        baseline: what simple models reach.
        mean, spread: of a label that is a number.
        time, group: the columns that decide about the split.
        salt: of the split's hash.
        contents: how many different rows there are, if so few that equal ones are on both sides; else 0.
    """

    name: str
    package: str
    table: Table
    label: Label
    columns: Sequence[Column]
    baseline: Baseline
    mean: float = 0.0
    spread: float = 1.0
    time: Time | None = None
    group: str | None = None
    salt: str = ""
    contents: int = 0

    @property
    def file_name(self) -> str:
        """The name of the data file as it may stand in a docstring."""
        return "".join(each if each.isprintable() and each not in '"\\' else "_" for each in self.table.path.name)

    @property
    def label_text(self) -> str:
        """The label's column as it may stand in a docstring."""
        return "".join(each if each.isprintable() and each not in '"\\' else "_" for each in self.label.name)

    @property
    def label_name(self) -> str:
        """The label among the transformed features: the column where its strings are the classes as they are."""
        as_is = self.label.task != "regression" and not self.label.spellings and not self.label.is_int
        return self.label.name if as_is else "label"

    def of(self, *kinds: str) -> list[Column]:
        """Returns the columns of these kinds."""
        return [column for column in self.columns if column.kind in kinds]

    @property
    def gappy(self) -> list[Column]:
        """The numbers of which more than 1 % are missing."""
        return [column for column in self.of("number", "log number") if column.missing > _GAPS]

    @property
    def amounts(self) -> list[Column]:
        """The numbers that are texts with a decimal mark."""
        return [column for column in self.of("number", "log number") if column.format in (".", ",")]

    @property
    def measures(self) -> list[Column]:
        """The numbers that are texts with units that differ."""
        return [column for column in self.of("number", "log number") if column.units]

    @property
    def separated(self) -> list[Column]:
        """The tags that are texts with a mark between them."""
        return [column for column in self.of("tags") if column.format]

    @property
    def number_texts(self) -> list[Column]:
        """The vectors that are texts."""
        return [column for column in self.of("vector") if column.format]

    @property
    def booleans(self) -> list[Column]:
        """The numbers that are words for yes and no."""
        return [column for column in self.of("number") if column.format == "yes"]

    @property
    def epochs(self) -> list[Column]:
        """The dates that are whole numbers of seconds or milliseconds since 1970."""
        return [column for column in self.of("date") if column.format in (SECONDS, MILLISECONDS)]

    @property
    def has_numbers(self) -> bool:
        """Whether there is a feature that is a number."""
        return bool(self.of("number", "log number", "date", "tags", "vector"))


def find_dropped(columns: Sequence[Column]) -> list[str]:
    """Returns the columns that the ingest must leave out, as no example can have them."""
    return [column.name for column in columns if column.kind == "nested" or not column.name]
