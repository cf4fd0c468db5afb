"""`hilir outcomes`."""

from __future__ import annotations

import json

import click

from hilir.serving.cli.options import Group


@click.group(cls=Group)
def outcomes() -> None:
    """What became of predictions."""


@outcomes.command("import")
@click.argument("file")
@click.option(
    "--outcomes",
    "place",
    metavar="PLACE",
    help="SQLite file, or postgresql://user:password@host:5432/database. [default: out/outcomes.sqlite]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_(file: str, place: str | None, as_json: bool) -> None:
    """Store the outcomes in FILE, CSV or Parquet.

    Its columns are id (of a prediction: REQUEST#ROW) or user, name, value or class, and if you like time and event. The
    same file may be imported again: what is stored already does not change.
    """
    from hilir.serving.outcomes.backends import DEFAULT_PLACE, open_store
    from hilir.serving.outcomes.outcome_files import import_file

    store = open_store(place or DEFAULT_PLACE)
    try:
        written = import_file(store, file)
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps({"new": written.new, "replaced": written.replaced, "unchanged": written.unchanged}))
        return
    click.echo(
        f"{file}: {written.new:,} new outcomes, {written.replaced:,} replaced, {written.unchanged:,} unchanged, "
        f"in {store.place}"
    )
