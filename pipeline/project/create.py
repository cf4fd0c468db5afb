"""Makes a project: looks at the rows, decides, and writes the files."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from hilir.components.staging import write_file
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.image.dockerfile import make_dockerfile
from hilir.pipeline.project.columns.column import Column
from hilir.pipeline.project.columns.kinds import decide_kinds
from hilir.pipeline.project.design import Design, find_dropped
from hilir.pipeline.project.label import Label, find_label
from hilir.pipeline.project.simple_models import find_baseline, find_leaks
from hilir.pipeline.project.split_preview import Time, count_few_contents, find_time, split_by_time, split_rows
from hilir.pipeline.project.table_sample import Marks, Table, read_table
from hilir.pipeline.project.writing import texts
from hilir.pipeline.project.writing.features_code import write_features
from hilir.pipeline.project.writing.model_code import write_model
from hilir.pipeline.project.writing.preprocessing_code import write_preprocessing

_LEAST_ROWS, _LEAST_OF_A_CLASS, _SALTS = 60, 5, 100
_FEW_ROWS, _OTHER_SPLITS = 5_000, 5


@dataclass(frozen=True)
class Wish:
    """What the user typed.

    Attributes:
        name: of the project.
        data: the file.
        label: the column to predict.
        task: `binary`, `multiclass`, `regression`, or None.
        time, group: columns that decide about the split, or None.
        keep: columns that are features whatever the rules say.
        marks: of a CSV file; None to find them out.
    """

    name: str
    data: Path
    label: str
    task: str | None = None
    time: str | None = None
    group: str | None = None
    keep: tuple[str, ...] = ()
    marks: Marks | None = None


def design_project(wish: Wish) -> Design:
    """Looks at the rows and decides everything; writes nothing.

    Raises:
        ConfigError: the name, the file or a column is wrong, or there is too little to learn from.
    """
    # Threads of boosted trees wait for each other by spinning, which on a busy machine takes twenty times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    package = _check_name(wish.name)
    texts.refuse_pattern(wish.data.name)
    table = read_table(wish.data, wish.marks)
    cells = table.cells
    for option, names in (("--time", [wish.time]), ("--group", [wish.group]), ("--keep", wish.keep)):
        for name in names:
            if name is not None and name not in cells.columns:
                raise ConfigError(
                    f"{option} {name}: there is no such column; the columns are {', '.join(cells.columns)}"
                )
    label = find_label(cells, wish.label, wish.task, table.types.get(wish.label, ""))
    labelled = int(label.values.notna().sum())
    if labelled < _LEAST_ROWS:
        raise ConfigError(f"{wish.data}: {labelled} rows have a label; at least {_LEAST_ROWS} are needed to learn from")
    columns = decide_kinds(cells, [wish.label], wish.keep, table.types)
    columns = _set_roles(columns, wish)
    leaks = find_leaks(cells, [each for each in columns if each.name not in wish.keep], label)
    columns = [replace(each, kind="leak", why=leaks[each.name]) if each.name in leaks else each for each in columns]
    if not any(each.is_feature for each in columns):
        raise ConfigError(
            f"{wish.data}: no column is left to learn from ("
            + "; ".join(f"{each.name}: {each.kind}, {each.why}" for each in columns)
            + "); --keep COLUMN keeps one"
        )
    group = wish.group or next((each.name for each in columns if each.kind == "group"), None)
    drop = find_dropped(columns)
    contents = count_few_contents(table, drop) if wish.time is None and group is None else 0
    time = find_time(table, wish.time) if wish.time is not None else None
    splits = _splits(table, label, columns, time, group if time is None else None, apart=bool(contents))
    evaluation, salt = next(splits)
    # Few rows have few that evaluate, and which ones is luck.
    others = [other for other, _ in islice(splits, _OTHER_SPLITS)] if labelled <= _FEW_ROWS else []
    baseline = find_baseline(cells, columns, label, evaluation, others)
    numbers = label.values[~evaluation].astype(float) if label.task == "regression" else None
    return Design(
        wish.name,
        package,
        table,
        label,
        columns,
        baseline,
        float(numbers.mean()) if numbers is not None else 0.0,
        float(numbers.std()) or 1.0 if numbers is not None else 1.0,
        time,
        group if time is None else None,
        salt,
        contents,
    )


def _check_name(name: str) -> str:
    package = name.replace("-", "_")
    if not (name.isascii() and name == name.lower() and package.isidentifier() and not name.startswith("_")):
        raise ConfigError(
            f"'{name}' is not a valid name; use lower-case letters, digits and '-', beginning with a letter"
        )
    from keyword import iskeyword

    from hilir.pipeline.config.project import hides

    if iskeyword(package) or hides(package):
        raise ConfigError(
            f"'{name}' is the name of a module of Python or of a package that hilir needs; choose another"
        )
    return package


def _set_roles(columns: Sequence[Column], wish: Wish) -> list[Column]:
    found = []
    for column in columns:
        if column.name == wish.group:
            column = replace(column, kind="group", why="--group")
        elif column.name == wish.time and column.kind != "date":
            column = replace(column, kind="time", why="--time, which the model does not see")
        found.append(column)
    return found


def _splits(
    table: Table, label: Label, columns: Sequence[Column], time: Time | None, group: str | None, *, apart: bool
) -> Iterator[tuple[np.ndarray, str]]:
    """Yields which rows evaluate, and the salt with which each class has rows on both sides; one split by time.

    Raises:
        ConfigError: there is no such salt.
    """
    if time is not None:
        yield split_by_time(table, time), ""
        return
    found = False
    for number in range(_SALTS):
        salt = str(number) if number else ""
        evaluation = split_rows(table, by=group, salt=salt, drop=find_dropped(columns), apart=apart)
        sides = [label.values[side].value_counts() for side in (evaluation, ~evaluation)]
        if label.task == "regression":
            is_good = min(int(side.sum()) for side in sides) >= _LEAST_OF_A_CLASS
        else:
            is_good = all(side.get(name, 0) >= _LEAST_OF_A_CLASS for side in sides for name in label.classes)
        if is_good:
            found = True
            yield evaluation, salt
    if found:
        return
    way = f"no split by the {table.cells[group].nunique():,} values of '{group}'" if group else "no split"
    remedy = (
        f"leave out --group, or type --keep {shlex.quote(group)}" if group else "merge rare classes, or get more rows"
    )
    what = f"every class of '{label.name}'" if label.classes else f"'{label.name}'"
    raise ConfigError(f"{table.path}: {way} gives {what} {_LEAST_OF_A_CLASS} rows on both sides; {remedy}")


def write_project(design: Design, folder: Path) -> tuple[list[str], list[str]]:
    """Writes the files into a folder, the configuration last.

    Returns:
        The names of the files, and of those that any project may have and that were there already: they stay.

    Raises:
        ConfigError: one of the others exists and is different; nothing was written.
    """
    general = {
        "Dockerfile": make_dockerfile(),
        ".github/workflows/hilir.yaml": texts.write_workflow(design),
        "README.md": texts.write_readme(design),
    }
    kept = [name for name, text in general.items() if _differs(folder / name, text)]
    files = {
        f"{design.package}/__init__.py": f'"""Predicts {design.label_text} from {design.file_name}."""\n',
        f"{design.package}/features.py": write_features(design),
        f"{design.package}/preprocessing.py": write_preprocessing(design),
        f"{design.package}/model.py": write_model(design),
        f"{design.package}/schema.pbtxt": texts.write_schema(design),
        **{name: text for name, text in general.items() if name not in kept},
        f"{design.name}.yaml": texts.write_config(design),
    }
    there = [name for name, text in files.items() if _differs(folder / name, text)]
    if there:
        raise ConfigError(
            f"{', '.join(there)}: there already, and different; remove them, or type this in another folder"
        )
    for name, text in files.items():
        os.makedirs((folder / name).parent, exist_ok=True)
        write_file(folder / name, text)
    return list(files), kept


def _differs(path: Path, text: str) -> bool:
    return path.exists() and not (path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text)
