"""`hilir schema`."""

from __future__ import annotations

from pathlib import Path

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option
from hilir.serving.cli.options import Group


@click.group(cls=Group)
def schema() -> None:
    """Show, compare or write down what is expected of the data.

    A schema is schema.path, else that of the newest version; --version takes another version's.
    """


@schema.command()
@config_argument
@overlay_option
@set_option
@click.option("--version", default=None, metavar="N", help="The schema of this version.")
def show(config: str, overlays: tuple[str, ...], settings: tuple[str, ...], version: str | None) -> None:
    """Print what the next data is checked against, column by column."""
    from hilir.pipeline.config import load
    from hilir.pipeline.versions.schemas import describe, find_schema, read_schema

    path = find_schema(load(config, overlays, settings).config, version)
    click.echo(f"{path}:")
    rows = describe(read_schema(path))
    width = min(max(map(len, rows), default=0), 40)
    for name, text in rows.items():
        click.echo(f"  {name:<{width}}  {text}")


@schema.command()
@config_argument
@overlay_option
@set_option
@click.option(
    "--old", default=None, metavar="FILE|N", help="A file or a version; else schema.path, or the version before."
)
@click.option("--new", default=None, metavar="FILE|N", help="A file or a version; else the newest version.")
def diff(config: str, overlays: tuple[str, ...], settings: tuple[str, ...], old: str | None, new: str | None) -> None:
    """Print in what two schemas differ: + new, - gone, ~ changed columns."""
    from hilir.pipeline.config import load
    from hilir.pipeline.versions.schemas import compare, find_schema, list_numbers, read_schema

    loaded = load(config, overlays, settings).config
    numbers = list_numbers(loaded)
    before = find_schema(loaded, old or loaded.schema_.path or numbers[:2][-1])
    after = find_schema(loaded, new or numbers[0])
    lines = list(compare(read_schema(before), read_schema(after)))
    click.echo(f"from {before}\nto   {after}:")
    click.echo("\n".join(lines) if lines else "no difference")


@schema.command()
@config_argument
@overlay_option
@set_option
@click.option("--version", default=None, metavar="N", help="The schema of this version; else of the newest.")
@click.option("--out", default="schema.pbtxt", show_default=True, metavar="FILE", help="Where to write it.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def freeze(
    config: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    version: str | None,
    out: str,
    force: bool,
) -> None:
    """Write the schema of a version to a file, to edit it and to check all later data against it."""
    from hilir.components.staging import write_file
    from hilir.pipeline.config import load
    from hilir.pipeline.errors import ConfigError
    from hilir.pipeline.versions.schemas import find_schema, list_numbers

    loaded = load(config, overlays, settings).config
    if Path(out).exists() and not force:
        raise ConfigError(f"{out}: is there already; give another --out, or --force to replace it")
    source = find_schema(loaded, version or list_numbers(loaded)[0])
    write_file(out, source.read_bytes())
    click.echo(f"wrote {out} from {source}; to check data against it, add to {config}:")
    click.echo(f"schema: {{path: {out}}}")
