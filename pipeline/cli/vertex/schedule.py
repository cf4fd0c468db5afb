"""`hilir schedule`."""

from __future__ import annotations

from typing import Any

import click

from hilir.pipeline.cli.options import json_option, overlay_option, set_option
from hilir.pipeline.cli.vertex.jobs import config_option
from hilir.serving.cli.options import Group

name_argument = click.argument("name")
cron_help = 'When to run, for example "TZ=Asia/Jakarta 0 3 * * *".'
moment = click.DateTime(formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"])
concurrent_option = click.option(
    "--max-concurrent", type=click.IntRange(min=1), metavar="N", help="Number of runs at the same time. [default: 1]"
)
queue_option = click.option(
    "--queue/--skip", default=None, help="What to do with a run that is due while N are running. [default: skip]"
)
runs_option = click.option("--max-runs", type=click.IntRange(min=1), metavar="N", help="Stop after this many runs.")
start_option = click.option("--start", type=moment, metavar="UTC", help="Start no run before this time.")
end_option = click.option("--end", type=moment, metavar="UTC", help="Start no run after this time.")
parameter_option = click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of each run; may be repeated.",
)


@click.group(cls=Group)
def schedule() -> None:
    """Run a pipeline on Vertex AI on a schedule."""


@schedule.command()
@click.argument("source", metavar="CONFIG|SPEC")
@click.option("--cron", required=True, help=cron_help)
@click.option("--name", metavar="NAME", help="Name of the schedule. [default: the pipeline's name]")
@concurrent_option
@queue_option
@runs_option
@start_option
@end_option
@parameter_option
@overlay_option
@set_option
@click.option(
    "--dry-run", is_flag=True, help="Print the request and an estimate of each run's machine-hours; send nothing."
)
def create(
    source: str,
    cron: str,
    name: str | None,
    parameters: tuple[str, ...],
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    dry_run: bool,
    **options: Any,
) -> None:
    """Create a schedule.

    CONFIG is a YAML file, which is compiled now; SPEC is a file that 'hilir compile' wrote. Code, parameters and
    configuration stay as they are until 'hilir schedule update'; each run chooses its span of the data when it starts.
    """
    from hilir.pipeline.spec.cost import find_bound
    from hilir.pipeline.vertex.client import schedules
    from hilir.pipeline.vertex.client.fixed_data import find_fixed_data
    from hilir.pipeline.vertex.client.job_request import show_request

    schedules.check_cron(cron)
    loaded, parsed, request = _load(source, overlays, settings, parameters, ask=not dry_run)
    fields = {"max_concurrent_run_count": 1} | _fields(options)
    made = schedules.make_schedule(name or parsed.name, cron, request, fields)
    fixed = find_fixed_data(loaded.job, dict(request.pipeline_job.runtime_config.parameter_values))
    if fixed:
        click.echo(fixed, err=True)
    if dry_run:
        click.echo(show_request(made))
        click.echo("\n".join(find_bound(parsed).lines), err=True)
        return
    connection = _connect(loaded.vertex, request)
    done = schedules.create_schedule(connection, made, lambda line: click.echo(line, err=True))
    _show(done, "created")


@schedule.command()
@name_argument
@click.option("--source", metavar="CONFIG|SPEC", help="Run this pipeline from now on.")
@click.option("--cron", help=cron_help)
@concurrent_option
@queue_option
@runs_option
@start_option
@end_option
@parameter_option
@config_option
@overlay_option
@set_option
def update(
    name: str,
    source: str | None,
    cron: str | None,
    parameters: tuple[str, ...],
    config: str | None,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    **options: Any,
) -> None:
    """Change a schedule; what is not given stays as it is."""
    from hilir.pipeline.vertex.client import schedules
    from hilir.pipeline.vertex.client.connect import connect_to, load_vertex

    changes = _fields(options)
    if cron is not None:
        schedules.check_cron(cron)
        changes["cron"] = cron
    if parameters and source is None:
        raise click.UsageError("--parameter needs --source: a schedule's parameters belong to its pipeline")
    if source is not None:
        loaded, _, request = _load(source, overlays, settings, parameters)
        connection = _connect(loaded.vertex, request)
        changes["create_pipeline_job_request"] = {"parent": request.parent, "pipeline_job": request.pipeline_job}
    else:
        connection = connect_to(load_vertex(config, overlays, settings), name)
    if not changes:
        raise click.UsageError("nothing to change; give --cron, --source or another option")
    _show(schedules.update_schedule(connection, name, changes), "changed")


@schedule.command("list")
@config_option
@overlay_option
@set_option
@json_option
def list_(config: str | None, overlays: tuple[str, ...], settings: tuple[str, ...], as_json: bool) -> None:
    """List schedules, the newest first."""
    from dataclasses import asdict

    from hilir.pipeline.vertex.client.connect import connect, load_vertex
    from hilir.pipeline.vertex.client.schedules import list_schedules

    found = list_schedules(connect(load_vertex(config, overlays, settings)))
    for line in found:
        click.echo(f"{line.name:<24} {line.state:<10} {line.cron:<28} next {line.next or '-':<20} {line.started} runs")
    if not found:
        click.echo("no schedules", err=True)
    if as_json:
        import json

        click.echo(json.dumps([asdict(line) for line in found]))


@schedule.command()
@name_argument
@config_option
@overlay_option
@set_option
def pause(name: str, config: str | None, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Pause a schedule; running jobs continue."""
    from hilir.pipeline.vertex.client.connect import connect_to, load_vertex
    from hilir.pipeline.vertex.client.schedules import pause_schedule

    _show(pause_schedule(connect_to(load_vertex(config, overlays, settings), name), name), "now")


@schedule.command()
@name_argument
@click.option("--catch-up", is_flag=True, help="First start the runs that were missed.")
@config_option
@overlay_option
@set_option
def resume(name: str, catch_up: bool, config: str | None, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Resume a paused schedule."""
    from hilir.pipeline.vertex.client.connect import connect_to, load_vertex
    from hilir.pipeline.vertex.client.schedules import resume_schedule

    _show(resume_schedule(connect_to(load_vertex(config, overlays, settings), name), name, catch_up=catch_up), "now")


@schedule.command()
@name_argument
@config_option
@overlay_option
@set_option
def delete(name: str, config: str | None, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Delete a schedule; running jobs continue."""
    from hilir.pipeline.vertex.client.connect import connect_to, load_vertex
    from hilir.pipeline.vertex.client.schedules import delete_schedule

    delete_schedule(connect_to(load_vertex(config, overlays, settings), name), name)
    click.echo(f"deleted the schedule {name}")


def _load(
    source: str, overlays: tuple[str, ...], settings: tuple[str, ...], parameters: tuple[str, ...], *, ask: bool = True
) -> tuple[Any, Any, Any]:
    """Returns the source, its specification, and the request of a run."""
    from hilir.pipeline.spec.specification import parse
    from hilir.pipeline.vertex.client.connect import find_project
    from hilir.pipeline.vertex.client.job_request import make_request
    from hilir.pipeline.vertex.client.source import load_source

    loaded = load_source(source, overlays, settings)
    project = find_project(loaded.vertex, ask=ask)
    return loaded, parse(loaded.job), make_request(loaded, parameters, project)


def _connect(vertex: Any, request: Any) -> Any:
    from hilir.pipeline.vertex.client.bucket import check_bucket
    from hilir.pipeline.vertex.client.connect import connect

    connection = connect(vertex, request.parent.split("/")[1])
    check_bucket(connection, request.pipeline_job.runtime_config.gcs_output_directory)
    return connection


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options that were given, by their names in Schedule."""
    from datetime import UTC

    names = {
        "max_concurrent": "max_concurrent_run_count",
        "queue": "allow_queueing",
        "max_runs": "max_run_count",
        "start": "start_time",
        "end": "end_time",
    }
    given = {names[key]: value for key, value in options.items() if value is not None}
    return {key: value.replace(tzinfo=UTC) if key.endswith("_time") else value for key, value in given.items()}


def _show(schedule: Any, verb: str) -> None:
    from hilir.pipeline.vertex.client.jobs import show_time

    following = f", next run {show_time(schedule.next_run_time)}" if schedule.state.name == "ACTIVE" else ""
    identifier = schedule.name.rpartition("/")[2]
    click.echo(
        f"{verb}: the schedule {schedule.display_name} ({identifier}), {schedule.state.name.lower()}, "
        f"{schedule.cron}{following}"
    )
