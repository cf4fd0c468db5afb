"""`hilir gateway`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from hilir.serving.cli.options import Group

Command = Callable[..., Any]

_OPTIONS: list[Callable[[Command], Command]] = [
    click.option("--root", default="out/models", show_default=True, help="Folder with the models' versions."),
    click.option(
        "--settings", metavar="FILE", help="YAML file with settings; deploy/serving/gateway.yaml is an example."
    ),
    click.option("--listen", metavar="HOST:PORT", help="Address for clients. [default: 127.0.0.1:8080]"),
    click.option(
        "--rest",
        multiple=True,
        metavar="HOST:PORT",
        help="REST address of a model server; may be repeated. [default: 127.0.0.1:8501]",
    ),
    click.option(
        "--grpc",
        multiple=True,
        metavar="HOST:PORT",
        help="gRPC address of a model server; may be repeated. [default: 127.0.0.1:8500]",
    ),
    click.option(
        "--outcomes",
        multiple=True,
        metavar="HOST:PORT",
        help="Address that takes POST /v1/outcomes, of 'hilir monitor serve' or a model server; may be repeated.",
    ),
    click.option("--status", metavar="HOST:PORT", help="Address for metrics and readiness. [default: 127.0.0.1:9902]"),
    click.option("--admin", metavar="HOST:PORT", help="Address of Envoy's admin interface. [default: 127.0.0.1:9901]"),
    click.option(
        "--api-keys-file", metavar="FILE", help="File with lines 'CLIENT KEY'; requests then need the header X-API-Key."
    ),
    click.option(
        "--access-log", metavar="FILE", help="File for the access log, JSON lines. [default: standard output]"
    ),
]


def _with_options(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _write(root: str, settings: str | None, served_root: str | None = None, **given: Any) -> tuple[Any, Any]:
    from hilir.serving.gateway.gateway_files import write_gateway
    from hilir.serving.gateway.settings import read_settings
    from hilir.serving.releases.release_store import Store

    found = read_settings(settings, **{name: value or None for name, value in given.items()})
    return write_gateway(Store(root), found, served_root), found


@click.group(cls=Group)
def gateway() -> None:
    """Run Envoy in front of the model servers."""


@gateway.command()
@_with_options
@click.option("--threads", type=click.IntRange(1), help="Worker threads. [default: one per core]")
def run(threads: int | None, **options: Any) -> int:
    """Write Envoy's configuration from release.json and run Envoy.

    `hilir release` changes the split of a running gateway without dropping a request.
    """
    from hilir.serving.gateway.runner import run_gateway

    folder, settings = _write(**options)
    return run_gateway(folder, settings, lambda line: click.echo(line), threads)


@gateway.command()
@_with_options
@click.option("--served-root", metavar="PATH", help="The serving root as Envoy sees it, in a container.")
def write(served_root: str | None, **options: Any) -> None:
    """Write the configuration for an Envoy that you run yourself."""
    folder, _ = _write(served_root=served_root, **options)
    click.echo(f"{folder}/envoy.json: run it with 'envoy -c'; it follows {folder}/routes.json")
