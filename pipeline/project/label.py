"""What is to be predicted: the task, and the classes with their spellings."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.project.columns import amounts, dates, several_values
from hilir.pipeline.project.columns.kinds import find_type, has_numbers, is_null, parse_numbers

TASKS = ("binary", "multiclass", "regression")
_LEAST_OF_A_CLASS = 10
_MOST_CLASSES, _MOST_FEW, _MOST_CODES = 1000, 0.1, 5


@dataclass(frozen=True)
class Label:
    """The label of a table.

    Attributes:
        name: the column.
        task: one of `TASKS`.
        why: the reason for the task.
        values: the label of each row: the name of its class, or a number; NaN or None where it has none.
        classes: names of the classes, the larger of two first; empty for numbers.
        spellings: the name of the class by other spellings of it in the data.
        counts: rows by class.
        is_int: the column has whole numbers only.
        type: what the ingest makes of the column: `INT`, `FLOAT` or `BYTES`.
        missing: rows without a label.
        decimal: of numbers in texts the decimal mark.
        is_declared: the configuration has to say that it is text.
    """

    name: str
    task: str
    why: str
    values: pd.Series
    classes: tuple[str, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    is_int: bool = False
    type: str = "BYTES"
    missing: int = 0
    decimal: str = ""
    is_declared: bool = False

    @property
    def positive(self) -> float:
        """Fraction of the rows of the second of two classes."""
        return self.counts[self.classes[1]] / sum(self.counts.values())


def find_label(cells: pd.DataFrame, name: str, task: str | None = None, type_: str = "") -> Label:
    """Returns the label of a table.

    Args:
        cells: strings by column.
        name: the column.
        task: one of `TASKS`, or None to decide by the values.
        type_: `string`, `strings`, `numbers` or `nested` where the file says that it is one.

    Raises:
        ConfigError: there is no such column, it is constant or empty, or a class has too few rows.
    """
    if name not in cells.columns:
        raise ConfigError(
            f"--label {name}: there is no such column; the columns are {', '.join(map(str, cells.columns))}"
        )
    given = cells[name]
    # A class may be called none or unknown; only a number has spellings of a missing value.
    blank = given.isna() | given.map(lambda text: text is None or not str(text).strip())
    numbers = parse_numbers(given.where(~is_null(given), None))
    are_numbers = bool(numbers[~is_null(given)].notna().all() and numbers.notna().any())
    if not (~blank).any():
        raise ConfigError(f"--label {name}: no row has a value; choose another column")
    if type_ in ("strings", "numbers", "nested"):
        raise ConfigError(f"--label {name}: its values are lists or objects; choose a column of single values")
    decimal = "" if task in ("binary", "multiclass") else _find_decimal(name, given, type_, are_numbers=are_numbers)
    if decimal:
        numbers, are_numbers = amounts.parse_amounts(given, decimal), True
    if task is None:
        task, why = _find_task(given[~blank], numbers.dropna(), are_numbers=are_numbers)
    else:
        why = "--task"
    if decimal and task != "regression":
        # Texts with numbers in them are names of classes.
        are_numbers = False
    if task == "regression":
        if not are_numbers:
            wrong = given[~is_null(given) & numbers.isna()].iloc[0]
            raise ConfigError(f"--task regression: the label '{name}' contains '{wrong}', which is not a number")
        if numbers.nunique() < 2:
            raise ConfigError(f"--label {name}: all rows have the same value; choose another column")
        kind = "BYTES" if decimal else find_type(given[numbers.notna()])
        return Label(
            name, task, why, numbers, is_int=kind == "INT", type=kind, missing=int(numbers.isna().sum()),
            decimal=decimal, is_declared=bool(decimal and not type_),
        )  # fmt: skip
    found = _find_classes(name, task, why, given, blank, numbers if are_numbers else None)
    return replace(found, is_declared=not type_ and found.type == "BYTES" and has_numbers(given[~blank]))


def _find_decimal(name: str, given: pd.Series, type_: str, *, are_numbers: bool) -> str:
    """Returns the decimal mark of a label whose numbers are in texts: with a unit, or because the file says so."""
    present = given[~is_null(given)].astype(str).str.strip()
    if dates.find_format(present) and not are_numbers:
        raise ConfigError(
            f"--label {name}: its values are dates, such as '{present.iloc[0]}', which are not predicted; "
            "add a column with a number, for example the days from another date, or if they are classes type "
            "--task multiclass"
        )
    if are_numbers:
        return "." if type_ == "string" else ""
    return amounts.find_decimal(present)


def _find_task(given: pd.Series, numbers: pd.Series, *, are_numbers: bool) -> tuple[str, str]:
    """As AutoGluon's infer_problem_type decides it (core/utils/utils.py)."""
    names = given.map(normalize) if not are_numbers else numbers
    distinct, rows = int(names.nunique()), len(names)
    if distinct == 1:
        raise ConfigError(f"--label {given.name}: all rows have the same value; choose another column")
    if distinct == 2:
        return "binary", "two values"
    if not are_numbers:
        return "multiclass", f"{distinct} different strings{_find_combinations(given)}"
    share = 0.05 if rows > 1000 else _MOST_FEW
    # Counts and grades thin out at their ends; codes of classes are few.
    has_rare = distinct > _MOST_CODES and bool(numbers.value_counts().min() < _LEAST_OF_A_CLASS)
    if distinct <= share * rows and distinct <= _MOST_CLASSES and bool((numbers % 1 == 0).all()) and not has_rare:
        return "multiclass", f"{distinct} whole numbers; if they are amounts: --task regression"
    may_be_classes = has_rare and distinct <= _MOST_CLASSES and distinct < rows / 2
    hint = "; if they are classes: --task multiclass" if may_be_classes else ""
    return "regression", f"{distinct:,} different numbers{hint}"


def _find_combinations(given: pd.Series) -> str:
    """Returns what to do where the classes are combinations of values, such as `Action|Comedy`; nothing if not."""
    tags = several_values.decide_texts(str(given.name), given.astype(str), 0.0)
    if tags is None or tags.kind != "tags":
        return ""
    return (
        f", combinations of {tags.distinct} values with '{tags.format}' between them; to predict each value by itself, "
        f"write a column of 0 and 1 for each, and see 'Several labels' in docs/your-own-data.md"
    )


def normalize(text: str) -> str:
    """Returns what spellings of one class have in common: case, spaces and punctuation at the end do not count."""
    return " ".join(unicodedata.normalize("NFKC", str(text)).split()).rstrip(".!,;: ").casefold()


def _find_classes(
    name: str, task: str, why: str, given: pd.Series, blank: pd.Series, numbers: pd.Series | None
) -> Label:
    kind = "BYTES" if numbers is None else find_type(given[numbers.notna()])
    if numbers is not None and bool((numbers.dropna() % 1 == 0).all()):
        given = numbers.map(lambda number: None if np.isnan(number) else str(int(number)))
        blank = given.isna()
    present = given[~blank].astype(str)
    counts = present.value_counts()
    groups: dict[str, list[str]] = {}
    for spelling in counts.index:
        groups.setdefault(normalize(spelling), []).append(str(spelling))
    # The most frequent spelling is the name.
    names = {spelling: found[0].strip() for found in groups.values() for spelling in found}
    values = given.where(~blank, None).map(lambda text: names[text] if text is not None else None)
    totals = values.value_counts()
    small = [f"'{each}' ({count})" for each, count in totals.items() if count < _LEAST_OF_A_CLASS]
    if len(totals) > _MOST_CLASSES:
        raise ConfigError(f"--label {name}: has {len(totals):,} different values; for amounts, give --task regression")
    if len(totals) < 2:
        raise ConfigError(f"--label {name}: all rows have the same value; choose another column")
    if small:
        raise ConfigError(
            f"--label {name}: fewer than {_LEAST_OF_A_CLASS} rows have {', '.join(small[:5])}"
            f"{f' and {len(small) - 5} more' if len(small) > 5 else ''}; merge or remove these rows"
            f"{_find_combinations(present)}"
        )
    if task == "binary" and len(totals) != 2:
        raise ConfigError(f"--task binary: the label '{name}' has {len(totals)} values, not two")
    order = _order(list(map(str, totals.index)), totals, numbers)
    return Label(
        name,
        task,
        why,
        values,
        tuple(order),
        {spelling: each for spelling, each in names.items() if spelling != each},
        {str(each): int(count) for each, count in totals.items()},
        numbers is not None and bool((numbers.dropna() % 1 == 0).all()),
        kind,
        int(blank.sum()),
    )


def _order(names: list[str], totals: pd.Series, numbers: pd.Series | None) -> list[str]:
    """Returns the classes in order; of two the second is the one that is looked for: 1, yes, or the rarer one."""
    if numbers is not None:
        return sorted(names, key=float)
    ordered = sorted(names)
    if len(ordered) == 2:
        words = {"true", "t", "yes", "y", "1", "ja", "ya", "oui", "positive", "pos"}
        if normalize(ordered[0]) in words or (
            normalize(ordered[1]) not in words and totals[ordered[0]] < 0.5 * totals[ordered[1]]
        ):
            ordered.reverse()
    return ordered
