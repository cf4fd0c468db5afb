"""`hilir submit`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import click

from hilir.pipeline.cli.options import overlay_option, set_option


@click.command()
@click.argument("source", metavar="CONFIG|SPEC")
@overlay_option
@set_option
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of the pipeline; may be repeated.",
)
@click.option("--wait", is_flag=True, help="Show the progress of the steps until the job has ended.")
@click.option(
    "--deadline", type=float, default=24.0, show_default=True, metavar="HOURS", help="Stop waiting after this time."
)
@click.option("--no-cache", is_flag=True, help="Run every step, even if nothing has changed.")
@click.option("--dry-run", is_flag=True, help="Print the request and an estimate of its machine-hours; send nothing.")
def submit(
    source: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    parameters: tuple[str, ...],
    wait: bool,
    deadline: float,
    no_cache: bool,
    dry_run: bool,
) -> None:
    """Run a pipeline on Vertex AI.

    CONFIG is a YAML file, which is compiled first; SPEC is a file that 'hilir compile' wrote. The project is that of
    the configuration, of GOOGLE_CLOUD_PROJECT, or of the application default credentials, in this order.
    """
    from hilir.pipeline.spec.specification import parse
    from hilir.pipeline.vertex.client import connect
    from hilir.pipeline.vertex.client.job_request import make_request, show_request
    from hilir.pipeline.vertex.client.source import load_source

    loaded = load_source(source, overlays, settings)
    project = connect.find_project(loaded.vertex, ask=not dry_run)
    request = make_request(loaded, parameters, project, cached=False if no_cache else None)
    parsed = parse(loaded.job)
    if dry_run:
        from hilir.pipeline.spec.cost import find_bound

        click.echo(show_request(request))
        click.echo("\n".join(find_bound(parsed).lines), err=True)
        return
    from hilir.pipeline.vertex.client.bucket import check_bucket
    from hilir.pipeline.vertex.client.jobs import console_url, create_job
    from hilir.pipeline.vertex.client.waiting import Patience, wait_for_job

    connection = connect.connect(loaded.vertex, project)
    check_bucket(connection, request.pipeline_job.runtime_config.gcs_output_directory)
    job = create_job(connection, request, lambda line: click.echo(line, err=True))
    identifier = job.name.rpartition("/")[2]
    click.echo(f"created the job {identifier}")
    click.echo(f"see {console_url(job.name)}")
    if wait:
        wait_for_job(connection, job.name, parsed, Patience(deadline, ask_on_terminal()))
        click.echo(f"the job {identifier} has succeeded")
    else:
        click.echo(f"next: hilir jobs show {identifier}")


def ask_on_terminal() -> Callable[[str], bool] | None:
    """Returns a function that asks yes or no, or None where nobody can answer."""
    import sys

    return partial(click.confirm, err=True) if sys.stdin.isatty() else None
