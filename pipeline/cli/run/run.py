"""`hilir run`."""

from __future__ import annotations

import click

from hilir.pipeline.cli.options import config_argument, json_option, overlay_option, print_summary, set_option


@click.command()
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
@click.option("--no-cache", is_flag=True, help="Run every step, even if nothing has changed.")
@json_option
def run(
    config: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    first: tuple[str, ...],
    last: tuple[str, ...],
    no_cache: bool,
    as_json: bool,
) -> None:
    """Train, evaluate and push a model on this machine.

    CONFIG is a YAML file; without it, the only one in this folder that has model.package.
    """
    from hilir.pipeline.config import load
    from hilir.pipeline.run.local_run import Options, run_locally

    loaded = load(config, overlays, settings)
    options = Options(config, first, last, cache=not no_cache)
    run_locally(loaded, options, lambda summary: print_summary(summary, f"hilir run {config}", as_json=as_json))
