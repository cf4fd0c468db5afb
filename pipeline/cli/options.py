"""Arguments and options that several commands share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from hilir.serving.cli.options import find_config

if TYPE_CHECKING:
    from hilir.pipeline.report.summary import Summary


config_argument = click.argument("config", required=False, callback=find_config)
overlay_option = click.option(
    "--overlay",
    "overlays",
    multiple=True,
    metavar="FILE",
    help="A YAML file whose values override CONFIG's; may be repeated.",
)
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="A.B=C",
    help="Set one key, for example train.epochs=3; may be repeated.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Also print the result as one line of JSON, the last one."
)


def write_command(name: str, config: str, overlays: Sequence[str] = (), settings: Sequence[str] = ()) -> str:
    """Returns the command as the user may type it again: `hilir run my.yaml --set train.epochs=3`."""
    options = [part for overlay in overlays for part in ("--overlay", overlay)]
    options += [part for setting in settings for part in ("--set", setting)]
    return f"hilir {name} {shlex.join([config, *options])}"


def print_summary(summary: Summary, command: str, *, as_json: bool) -> None:
    """Prints the result of a run, with `as_json` also as one JSON object in the last line; `command` started it."""
    from hilir.pipeline.report.summary import write_lines, write_report_line

    if summary.status in ("succeeded", "not_blessed"):
        click.echo("\n".join(write_lines(summary, command)))
    else:
        for line in write_report_line(summary):
            click.echo(line)
    if as_json:
        import orjson

        click.echo(orjson.dumps(summary.as_dict()).decode())
