"""`hilir jobs`."""

from __future__ import annotations

import click

from hilir.pipeline.cli.options import json_option, overlay_option, set_option
from hilir.serving.cli.options import Group

config_option = click.option(
    "--config", metavar="CONFIG", help="A YAML file with the project and region in its section 'vertex'."
)


@click.group(cls=Group)
def jobs() -> None:
    """List, show or cancel pipeline jobs on Vertex AI."""


@jobs.command("list")
@config_option
@overlay_option
@set_option
@click.option("--pipeline", metavar="NAME", help="List only the jobs of this pipeline.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Number of jobs to list.")
@json_option
def list_(
    config: str | None,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    pipeline: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List jobs, the newest first."""
    from dataclasses import asdict

    from hilir.pipeline.vertex.client.connect import connect, load_vertex
    from hilir.pipeline.vertex.client.jobs import list_jobs

    found = list_jobs(connect(load_vertex(config, overlays, settings)), limit=limit, pipeline=pipeline)
    for line in found:
        error = f"  {line.error}" if line.error else ""
        click.echo(f"{line.id:<48} {line.state:<10} {line.created}  {line.ended:<20}{error}".rstrip())
    if not found:
        click.echo("no jobs", err=True)
    if as_json:
        import json

        click.echo(json.dumps([asdict(line) for line in found]))


@jobs.command()
@click.argument("job")
@config_option
@overlay_option
@set_option
@click.option("--wait", is_flag=True, help="Show the progress of the steps until the job has ended.")
@click.option(
    "--deadline", type=float, default=24.0, show_default=True, metavar="HOURS", help="Stop waiting after this time."
)
def show(
    job: str, config: str | None, overlays: tuple[str, ...], settings: tuple[str, ...], wait: bool, deadline: float
) -> None:
    """Show a job and its steps.

    JOB is its id, or its full name with project and region. The exit code is 4 if the job failed.
    """
    from hilir.pipeline.cli.vertex.submit import ask_on_terminal
    from hilir.pipeline.vertex.client.connect import connect_to, load_vertex
    from hilir.pipeline.vertex.client.job_board import read_steps
    from hilir.pipeline.vertex.client.job_request import read_specification
    from hilir.pipeline.vertex.client.jobs import console_url, is_final, read_job, show_time, state_of
    from hilir.pipeline.vertex.client.waiting import Patience, require_success, wait_for_job

    connection = connect_to(load_vertex(config, overlays, settings), job)
    found = read_job(connection, job)
    click.echo(f"{found.name.rpartition('/')[2]} {state_of(found)}, created {show_time(found.create_time)}")
    click.echo(f"see {console_url(found.name)}")
    if wait and not is_final(found):
        wait_for_job(connection, found.name, read_specification(found), Patience(deadline, ask_on_terminal()))
        return
    for name, state, seconds in read_steps(found):
        click.echo(f"{name:<24} {state:<10} {f'{seconds:.1f} s' if seconds else ''}".rstrip())
    require_success(found)


@jobs.command()
@click.argument("job")
@config_option
@overlay_option
@set_option
def cancel(job: str, config: str | None, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Cancel a job and stop its running steps."""
    from hilir.pipeline.vertex.client.connect import connect_to, load_vertex
    from hilir.pipeline.vertex.client.jobs import cancel_job, is_final, read_job, state_of

    connection = connect_to(load_vertex(config, overlays, settings), job)
    found = read_job(connection, job)
    if is_final(found):
        click.echo(f"{job} has already ended: {state_of(found)}")
        return
    cancel_job(connection, job)
    click.echo(f"{job} is being canceled; 'hilir jobs show {job}' shows its state")
