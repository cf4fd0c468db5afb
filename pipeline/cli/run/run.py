"""`hilir run`."""

from __future__ import annotations

from itertools import zip_longest

import click

from hilir.pipeline.cli.options import (
    config_argument,
    json_option,
    overlay_option,
    print_summary,
    set_option,
    write_command,
)


class RunCommand(click.Command):
    """Takes the word after `--no-cache` for its node only if there is such a node: it may be the configuration."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses the command line; a `--no-cache` without a node gets an empty one."""
        from hilir.pipeline.config.nodes import NODES

        parted = [
            "--no-cache=" if word == "--no-cache" and after not in NODES else word
            for word, after in zip_longest(args, args[1:], fillvalue="")
        ]
        return super().parse_args(ctx, parted)


@click.command(cls=RunCommand)
@config_argument
@overlay_option
@set_option
@click.option(
    "--from",
    "first",
    multiple=True,
    metavar="NODE",
    help="Start at this node; reuse the outputs of the nodes before it.",
)
@click.option("--to", "last", multiple=True, metavar="NODE", help="Stop after this node.")
@click.option("--check", is_flag=True, help="Train nothing: send a sample of the data through all that could fail.")
@click.option(
    "--no-cache",
    "uncached",
    multiple=True,
    is_flag=False,
    flag_value="",
    metavar="[NODE]",
    help="Run this step even if nothing has changed; without NODE, every step.",
)
@json_option
def run(
    config: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    first: tuple[str, ...],
    last: tuple[str, ...],
    check: bool,
    uncached: tuple[str, ...],
    as_json: bool,
) -> int:
    """Train, evaluate and push a model on this machine.

    CONFIG is a YAML file; without it, the only one in this folder that has model.package.
    """
    if check and (first or last):
        raise click.UsageError("--check runs its own steps; leave out --from and --to")
    from hilir.pipeline.cli.exits import status_code
    from hilir.pipeline.config import load
    from hilir.pipeline.run.local_run import Options, run_locally

    loaded = load(config, overlays, settings)
    command = write_command("run", config, overlays, settings)
    parts = [*(f"--from {node}" for node in first), *(f"--to {node}" for node in last), *(["--check"] if check else [])]
    options = Options(
        " ".join([command, *parts]), first, last, "" not in uncached, tuple(filter(None, uncached)), check
    )
    status = run_locally(loaded, options, lambda summary: print_summary(summary, command, as_json=as_json))
    if check and not as_json:
        click.echo(f"next: {command}")
    return status_code(status)
