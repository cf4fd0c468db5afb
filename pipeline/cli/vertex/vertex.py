"""`hilir vertex`."""

from __future__ import annotations

from typing import Any

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option
from hilir.pipeline.cli.vertex.rollout import rollout
from hilir.pipeline.cli.vertex.target import load_target
from hilir.serving.cli.options import Group


@click.group(cls=Group)
def vertex() -> None:
    """Manage the model on Vertex AI: traffic, batch predictions, monitoring."""


@vertex.command()
@config_argument
@overlay_option
@set_option
def show(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Show the versions on the endpoint and in the registry."""
    from hilir.components.vertex_pusher.endpoint import require
    from hilir.components.vertex_pusher.registry import list_versions

    _, connection, target = load_target(config, overlays, settings)
    endpoint = require(connection, target)
    click.echo(endpoint.name)
    for version in list_versions(connection, target):
        deployed = "deployed" if version.number in endpoint.deployed else "in the registry"
        share = f"{endpoint.shares.get(version.number, 0)} %" if version.number in endpoint.deployed else ""
        click.echo(f"v{version.number:<6} {deployed:<16} {share:>5} {'default' if version.default else ''}".rstrip())


@vertex.command()
@click.argument("config")
@click.argument("shares", nargs=-1, required=True, metavar="VERSION=PERCENT...")
@overlay_option
@set_option
def traffic(config: str, shares: tuple[str, ...], overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Split the traffic between deployed versions.

    For example 'hilir vertex traffic taxi.yaml 3=90 4=10'. The percentages must add up to 100.
    """
    from hilir.components.vertex_pusher.push import split_traffic

    wanted = _read_shares(shares)
    _, connection, target = load_target(config, overlays, settings)
    try:
        endpoint = split_traffic(connection, target, wanted)
    except ValueError as error:
        raise click.UsageError(f"{error}; 'hilir vertex show {config}' shows the versions") from None
    click.echo(_describe(endpoint))


@vertex.command()
@config_argument
@overlay_option
@set_option
def rollback(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Give the newest version's traffic to the versions before it."""
    from hilir.components.vertex.errors import VertexError
    from hilir.components.vertex_pusher.push import roll_back

    _, connection, target = load_target(config, overlays, settings)
    try:
        before, after = roll_back(connection, target)
    except ValueError as error:
        raise VertexError(f"could not roll back: {error}; 'hilir vertex show {config}' shows the versions") from None
    click.echo(f"before: {_describe(before)}")
    click.echo(f"now:    {_describe(after)}")


@vertex.command("batch-predict")
@config_argument
@click.option("--version", type=int, metavar="N", help="Version to use. [default: the registry's default]")
@click.option("--dry-run", is_flag=True, help="Print the request; send nothing.")
@overlay_option
@set_option
def batch_predict(
    config: str, version: int | None, dry_run: bool, overlays: tuple[str, ...], settings: tuple[str, ...]
) -> None:
    """Start a batch prediction, as section vertex.batch describes it."""
    from hilir.pipeline.vertex.client.batch_prediction import create_batch_job, make_batch_job
    from hilir.pipeline.vertex.client.job_request import show_request

    loaded, connection, target = load_target(config, overlays, settings)
    job = make_batch_job(loaded, connection, target, version)
    if dry_run:
        click.echo(show_request(job))
        return
    made = create_batch_job(connection, job, lambda line: click.echo(line, err=True))
    click.echo(f"created the batch prediction {made.name}")


@vertex.command()
@config_argument
@overlay_option
@set_option
def monitor(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Monitor the endpoint for drift, as section vertex.monitoring describes it."""
    from hilir.pipeline.vertex.client.monitoring import monitor_model

    loaded, connection, target = load_target(config, overlays, settings)
    made = monitor_model(loaded, connection, target, lambda line: click.echo(line, err=True))
    click.echo(f"monitor {made.name}")
    click.echo(f"analysis {made.analysis}")


def _read_shares(settings: tuple[str, ...]) -> dict[int, int]:
    shares = {}
    for setting in settings:
        version, _, share = setting.removeprefix("v").partition("=")
        if not version.isdigit() or not share.isdigit():
            raise click.UsageError(f"'{setting}' is not VERSION=PERCENT, for example 3=90")
        shares[int(version)] = int(share)
    if sum(shares.values()) != 100:
        raise click.UsageError(f"the shares add up to {sum(shares.values())}, not to 100")
    return shares


def _describe(endpoint: Any) -> str:
    shares = sorted(endpoint.shares.items(), reverse=True)
    return ", ".join(f"v{number} {share} %" for number, share in shares) or "no traffic"


vertex.add_command(rollout)
