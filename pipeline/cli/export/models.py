"""`hilir models`."""

from __future__ import annotations

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option
from hilir.serving.cli.options import Group


@click.group(cls=Group)
def models() -> None:
    """List pushed models and their versions."""


@models.command("list")
@config_argument
@overlay_option
@set_option
def list_models(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """List the versions below the serving root, the newest first."""
    from hilir.pipeline.config import load
    from hilir.pipeline.versions.catalogue import list_pushed, open_root

    root = load(config, overlays, settings).config.serving.root
    rows = list(list_pushed(open_root(root)))
    if not rows:
        click.echo(f"nothing has been pushed to {root} yet; type 'hilir run'")
    for row in rows:
        name = f"{row.model.name:<16} {row.number:>4}"
        try:
            metrics = ", ".join(f"{key} {value:.4f}" for key, value in row.metrics.items() if key != "example_count")
            click.echo(f"{name}  {row.created}  {row.size / 1e6:6.1f} MB  {row.run_id}  {metrics}")
        except (OSError, ValueError, LookupError):
            click.echo(f"{name}  its manifest.json cannot be read; remove it, then: hilir release adopt {row.folder}")
