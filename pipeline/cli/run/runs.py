"""`hilir runs`."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from hilir.pipeline.cli.options import config_argument, json_option, overlay_option, set_option
from hilir.serving.cli.options import Group


@click.group(cls=Group)
def runs() -> None:
    """List past runs, show one, or compare two."""


@runs.command("list")
@config_argument
@overlay_option
@set_option
def list_runs(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """List the runs of a configuration, the newest first."""
    from hilir.pipeline.config import load
    from hilir.pipeline.run.past.history import list_runs as read

    loaded = load(config, overlays, settings)
    for run in read(loaded.config):
        click.echo(f"{run.id:<32} {run.when}  {run.status:<11} {run.outcome}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--config",
    metavar="CONFIG",
    help="The configuration whose pipeline ran; by default the one that is kept with the run.",
)
@overlay_option
@set_option
def show(run_id: str, config: str | None, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Show the steps of a run and what they made."""
    # The command imports what reads the artifacts and ends; the cycle collector would take two fifths of that.
    gc.disable()
    from hilir.pipeline.config import load
    from hilir.pipeline.report.output_capture import reserved
    from hilir.pipeline.report.step_figures import describe_made
    from hilir.pipeline.run.past.folders import find_folder
    from hilir.pipeline.run.past.history import show_run

    loaded = load(config or str(find_folder(run_id, settings) / "config.yaml"), overlays, settings)
    with reserved():
        steps = show_run(loaded.config, run_id)
    for step in steps:
        click.echo(f"{step.node:<18} {step.state:<8} {step.seconds:>7.1f} s  {describe_made(step.made)}")
        for name, uri in step.outputs.items():
            click.echo(f"{'':<18} {name}: {uri}")
        for line in step.details:
            click.echo(f"{'':<18} {line}")


@runs.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--all", "everything", is_flag=True, help="Show every metric of every slice.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the difference to this HTML file.")
@json_option
@set_option
def diff(one: str, other: str, everything: bool, out: Path | None, as_json: bool, settings: tuple[str, ...]) -> None:
    """Show what differs from run A to run B: configuration, data, code, metrics by slice."""
    from hilir.pipeline.report.compare_runs import compare
    from hilir.pipeline.report.difference import write_json, write_lines
    from hilir.pipeline.run.past.folders import find_folder
    from hilir.pipeline.run.past.reports import as_written, read_run

    folders = [find_folder(name, settings) for name in (one, other)]
    with as_written(*folders):
        comparison = compare(*map(read_run, folders))
        lines = list(write_lines(comparison, everything=everything))
    click.echo("\n".join(lines))
    if out is not None:
        from hilir.components.staging import write_file
        from hilir.pipeline.report.page import render_comparison

        with as_written(*folders):
            page = render_comparison(comparison)
        write_file(out, page)
        click.echo(f"the page is in {out}")
    if as_json:
        click.echo(write_json(comparison))
