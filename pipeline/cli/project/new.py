"""`hilir new`."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hilir.pipeline.report.terminal import show_controls

if TYPE_CHECKING:
    from hilir.pipeline.project.columns.column import Column
    from hilir.pipeline.project.design import Design

_DOUBLED = 0.3
# So many lines in a row that differ in the name alone are shown one by one.
_ALIKE = 10


@click.command()
@click.argument("name", required=False)
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="FILE", help="Rows with a header: CSV, Parquet or JSON Lines."
)
@click.option("--label", metavar="COLUMN", help="What to predict.")
@click.option(
    "--task", type=click.Choice(["binary", "multiclass", "regression"]), help="By default decided by the label."
)
@click.option("--time", metavar="COLUMN", help="Evaluate on the newest rows by this column.")
@click.option("--group", metavar="COLUMN", help="Keep all rows with the same value on one side of the split.")
@click.option(
    "--keep", multiple=True, metavar="COLUMN", help="Let the model see this column in any case; may be repeated."
)
@click.option("--delimiter", metavar="CHARACTER", help="Separates the cells of CSV; by default found out.")
@click.option("--decimal", metavar="CHARACTER", help="Decimal mark of CSV; by default found out.")
@click.option("--encoding", metavar="NAME", help="Encoding of CSV, for example cp1250. [default: UTF-8, else cp1252]")
@click.option("--example", type=click.Choice(["taxi", "digits"]), help="Copy an example instead.")
def new(
    name: str | None,
    data: Path | None,
    label: str | None,
    task: str | None,
    time: str | None,
    group: str | None,
    keep: tuple[str, ...],
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
    example: str | None,
) -> None:
    """Make a project from a file of rows: a model package, a configuration, a bound.

    Writes into the current folder; `hilir run` then works at once.
    """
    if example is not None:
        from hilir.pipeline.project.example_projects import copy_example

        written = copy_example(example, Path())
        click.echo(f"wrote {', '.join(written)}\nnext: hilir run {example}.yaml")
        return
    if name is None or data is None or label is None:
        raise click.UsageError("NAME, --data FILE and --label COLUMN are needed, or --example taxi")
    from hilir.pipeline.project.create import Wish, design_project, write_project
    from hilir.pipeline.project.table_sample import Marks
    from hilir.pipeline.report.output_capture import reserved
    from hilir.serving.projects import find_configs

    with reserved():
        marks = Marks(delimiter, decimal, None, encoding)
        design = design_project(Wish(name, data, label, task, time, group, keep, marks))
    click.echo("\n".join(_describe(design)))
    written, kept = write_project(design, Path())
    config = "" if len(find_configs()) == 1 else f" {name}.yaml"
    click.echo(f"\nwrote {', '.join(written)}")
    if kept:
        click.echo(f"left as they are: {', '.join(kept)}")
    click.echo(f"next: hilir run{config}")


def _describe(design: Design) -> Iterator[str]:
    table, label, baseline = design.table, design.label, design.baseline
    sample = "" if table.rows == len(table.cells) else f" (looked at {len(table.cells):,} of them)"
    yield f"{table.path}: {table.rows:,} rows{sample}, {len(table.cells.columns)} columns"
    if design.table.csv.get("encoding") in ("cp1252", "latin-1"):
        yield f"encoding {table.csv['encoding']}, as it is not UTF-8; if letters are wrong: --encoding NAME"
    yield f"label {show_controls(label.name)}: {label.task}, {label.why}" + (
        "" if label.task != "regression" else f", mean {design.mean:.4g}, deviation {design.spread:.4g}"
    )
    if label.counts:
        more = f" and {len(label.classes) - 12} more" if len(label.classes) > 12 else ""
        yield "  " + ", ".join(f"{show_controls(each)} {label.counts[each]:,}" for each in label.classes[:12]) + more
    for old, new_name in sorted(label.spellings.items()):
        yield f"  '{show_controls(old)}' is taken for '{show_controls(new_name)}'"
    if label.missing:
        yield f"  {label.missing:,} rows have no label and are left out"
    yield ""
    yield from _table(design.columns)
    yield ""
    if design.contents:
        yield f"split: only {design.contents} rows are different, so that equal ones are on both sides"
    if design.group:
        yield f"split: rows with the same '{show_controls(design.group)}' stay on one side"
    if design.time:
        without = (
            f"; {design.time.without:.1%} of the rows have no time and are left out" if design.time.without else ""
        )
        yield f"split: the newest third by '{show_controls(design.time.name)}' evaluates{without}"
    shown = {"auc": "AUC", "accuracy": "accuracy", "r2": "R²"}[baseline.metric]
    yield (
        f"baseline on the rows that evaluate: linear {baseline.linear:.3f}, trees {baseline.trees:.3f} ({shown}); "
        f"bound {baseline.bound:.3f} = {baseline.reason}"
    )
    if baseline.is_weak:
        yield f"  warning: neither is better than chance ({baseline.chance:.3f}): the columns may not tell the label"
    doubled = int(table.cells.duplicated().sum()) / len(table.cells)
    if doubled > _DOUBLED and not design.contents:
        yield (
            f"  warning: {doubled:.0%} of the rows are repetitions of others; equal rows are on one side of the split, "
            "so that the rows that evaluate are of other kinds than those that train; if they are cases of their own, "
            "set data.split.equal_rows: apart"
        )
    if baseline.trees > baseline.linear + baseline.margin:
        yield "  trees are far ahead of the linear model: compare the network with them when it has run"


def _table(columns: Sequence[Column]) -> Iterator[str]:
    width = min(32, max((len(show_controls(each.name)) for each in columns), default=0))
    room = max(40, shutil.get_terminal_size((120, 24)).columns)
    yield f"{'column':<{width}}  {'kind':<15} why; how to change it"
    for _, group in groupby(columns, lambda each: (each.kind, each.why, _gaps(each)) if each.is_feature else each):
        alike = list(group)
        lines = [_line(each, width, room) for each in alike]
        if len(lines) <= _ALIKE:
            yield from lines
            continue
        yield from lines[:3]
        yield f"{'…':<{width}}  {alike[0].kind:<15} {len(lines) - 4:,} more of the same"
        yield lines[-1]
    yield "(a feature is changed by moving its line in features.py)"


def _line(column: Column, width: int, room: int) -> str:
    left_as_they_are = ("empty", "group", "time", "nested", "list", "mixed dates", "ambiguous date")
    remedy = (
        f"; --keep {shlex.quote(show_controls(column.name))}"
        if column.name and not column.is_feature and column.kind not in left_as_they_are
        else ""
    )
    name = show_controls(column.name)[:width]
    line = f"{name:<{width}}  {column.kind:<15} {show_controls(column.why)}{_gaps(column)}{remedy}"
    return line if len(line) <= room else line[: room - 1] + "…"


def _gaps(column: Column) -> str:
    return f", {column.missing:.0%} missing" if column.missing >= 0.005 else ""
