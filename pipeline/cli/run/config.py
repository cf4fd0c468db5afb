"""`hilir config`."""

from __future__ import annotations

import gc

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option
from hilir.serving.cli.options import Group


@click.group(cls=Group)
def config() -> None:
    """Show or check a configuration."""


@config.command()
@config_argument
@overlay_option
@set_option
def show(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Print every key with its value and the file that set it."""
    from hilir.pipeline.config import load

    rows = [(f"{key}: {_shown(value)}", origin) for key, value, origin in load(config, overlays, settings).origins()]
    width = min(max(len(text) for text, _ in rows), 70)
    for text, origin in rows:
        click.echo(f"{text:<{width}}  # {origin}")


@config.command()
@config_argument
@overlay_option
@set_option
def check(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Print every fault of a configuration, or 'ok'."""
    # The command lives for a quarter of a second; the cycle collector would take a tenth of it.
    gc.disable()
    from hilir.pipeline.config import load
    from hilir.pipeline.report.output_capture import reserved
    from hilir.pipeline.run.checks import require, require_all
    from hilir.pipeline.run.package_check import check_import, check_sources, needs_import

    found = load(config, overlays, settings).config
    require(found)
    require_all(check_sources(found))
    if needs_import(found):
        with reserved():
            findings = list(check_import(found))
        require_all(findings)
    click.echo(f"{config}: ok")


def _shown(value: object) -> str:
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")
