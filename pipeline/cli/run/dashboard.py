"""`hilir dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hilir.pipeline.cli.options import overlay_option, set_option

if TYPE_CHECKING:
    from hilir.pipeline.config import LoadedConfig


@click.command()
@click.argument("configs", metavar="[CONFIG]...", nargs=-1)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8700,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 for any free port.",
)
@click.option("--name", "names", multiple=True, metavar="HOST", help="A further name by which it may be called.")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File with the token that changes of a release ask for; without it nothing can be changed.",
)
@click.option("--server", "servers", multiple=True, metavar="URL", help="Model server that a release talks to.")
@click.option(
    "--outcomes", metavar="PLACE", help="Outcomes of experiments: a file or database. [default: out/outcomes.sqlite]"
)
@click.option("--server-token-file", metavar="FILE", help="File with the servers' bearer token.")
@overlay_option
@set_option
def dashboard(
    configs: tuple[str, ...],
    host: str,
    port: int,
    names: tuple[str, ...],
    token_file: Path | None,
    servers: tuple[str, ...],
    outcomes: str | None,
    server_token_file: str | None,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Show runs, versions, releases and triggers in the browser.

    CONFIG are the configurations whose folders it shows; by default all of this folder.
    """
    from hilir.pipeline.dashboard.actions import Targets
    from hilir.pipeline.dashboard.security import Guard
    from hilir.pipeline.dashboard.server import make_server, read_token
    from hilir.pipeline.dashboard.workplace import find_workplace
    from hilir.serving.releases.actor import find_actor

    guard = Guard(read_token(token_file) if token_file else None)
    loaded = _load(configs, overlays, settings)
    workplace = find_workplace(loaded, outcomes)
    targets = Targets(
        servers,
        server_token_file,
        actor=find_actor(str(token_file) if token_file else None),
        channels={each.config.model.name: each.config.notify for each in loaded},
        approval=frozenset(each.config.model.name for each in loaded if each.config.release.approval == "required"),
    )
    with make_server((host, port), workplace, guard, targets, names) as server:
        click.echo(f"open {server.url}/   (Ctrl-C to stop)")
        try:
            server.wait()
        except KeyboardInterrupt:
            click.echo("")


def _load(configs: tuple[str, ...], overlays: tuple[str, ...], settings: tuple[str, ...]) -> list[LoadedConfig]:
    """Returns the configurations that were named, or those of this folder; a faulty one of these is left out."""
    from hilir.pipeline.config import load
    from hilir.pipeline.errors import ConfigError
    from hilir.serving.projects import find_configs

    if configs:
        return [load(config, overlays, settings) for config in configs]
    found = []
    for config in find_configs():
        try:
            found.append(load(config, overlays, settings))
        except ConfigError as error:
            click.echo(f"{config} is left out: {error}", err=True)
    if not found:
        raise click.UsageError("there is no configuration here that can be read; name one, for example mymodel.yaml")
    return found
