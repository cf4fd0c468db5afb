"""`hilir runs`."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option


@click.group()
def runs() -> None:
    """List past runs, or show one."""


@runs.command("list")
@config_argument
@overlay_option
@set_option
def list_runs(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """List the runs of a configuration, the newest first."""
    from hilir.pipeline.config import load
    from hilir.pipeline.run.history import list_runs as read

    loaded = load(config, overlays, settings)
    for run in read(loaded.config):
        click.echo(f"{run.id:<32} {run.when}  {run.status:<11} {run.outcome}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option(
    "--config", default=None, help="The configuration whose pipeline ran; by default the one that is kept with the run."
)
@overlay_option
@set_option
def show(run_id: str, config: str | None, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Show the steps of a run and what they made."""
    # The command imports what reads the artifacts and ends; the cycle collector would take two fifths of that.
    gc.disable()
    from hilir.pipeline.config import load
    from hilir.pipeline.report.output_capture import reserved
    from hilir.pipeline.report.views import describe_made
    from hilir.pipeline.run.history import show_run

    loaded = load(config or _config_of(run_id, settings), overlays, settings)
    with reserved():
        steps = show_run(loaded.config, run_id)
    for step in steps:
        click.echo(f"{step.node:<18} {step.state:<8} {step.seconds:>7.1f} s  {describe_made(step.made)}")
        for name, uri in step.outputs.items():
            click.echo(f"{'':<18} {name}: {uri}")
        for line in step.details:
            click.echo(f"{'':<18} {line}")


def _config_of(run_id: str, settings: Sequence[str]) -> str:
    """Returns the configuration that a run was started with, which lies next to its log."""
    from hilir.pipeline.errors import ConfigError

    folders = list(_runs_folders(settings))
    for folder in folders:
        path = folder / run_id / "config.yaml"
        if path.is_file():
            return str(path)
    raise ConfigError(
        f"there is no run '{run_id}' in {', '.join(map(str, folders))}; 'hilir runs list CONFIG' lists the runs "
        f"there are, and --config names the configuration of a run in another folder"
    )


def _runs_folders(settings: Sequence[str]) -> Iterator[Path]:
    """Yields the folder of runs that `--set` names, the default one, and those that the configurations here name."""
    import yaml

    from hilir.pipeline.config.project import find_configs

    given = [setting.partition("=")[2] for setting in settings if setting.startswith("pipeline.runs=")]
    found = [*map(Path, given), Path("runs")]
    for config in find_configs():
        section = yaml.safe_load(config.read_text(encoding="utf-8")).get("pipeline")
        if isinstance(section, dict) and isinstance(section.get("runs"), str):
            found.append(Path(section["runs"]))
    yield from dict.fromkeys(found)
