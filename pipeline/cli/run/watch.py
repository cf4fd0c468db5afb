"""`hilir watch`."""

from __future__ import annotations

import click

from hilir.pipeline.cli.options import config_argument, json_option, overlay_option, set_option


class _Watch(click.Group):
    """A group in which a word that is no command is the configuration to watch."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `start` in front of a configuration."""
        if not {"-h", "--help"} & set(args[:1]) and (not args or args[0] not in self.commands):
            args = ["start", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Watch, subcommand_metavar="[CONFIG] | status [CONFIG]")
def watch() -> None:
    """Train again when a schedule, new data, the model's age or a call says so.

    'hilir watch CONFIG' stays in the foreground until Ctrl-C; section 'watch' of the configuration says what it
    follows. It may be killed at any moment: the next one goes on where it was.
    """


@watch.command(hidden=True)
@config_argument
@overlay_option
@set_option
def start(config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Follow the triggers of a configuration."""
    from datetime import datetime

    from hilir.pipeline.config import load
    from hilir.pipeline.triggers.daemon.follow import follow

    def log(text: str) -> None:
        click.echo(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}  {text}")

    follow(load(config, overlays, settings).config, config, overlays, settings, log)


@watch.command()
@config_argument
@overlay_option
@set_option
@json_option
def status(config: str, overlays: tuple[str, ...], settings: tuple[str, ...], as_json: bool) -> None:
    """Show what the triggers see, which runs there were and why, and what was decided."""
    import json

    from hilir.pipeline.config import load
    from hilir.pipeline.triggers.daemon.build import state_folder
    from hilir.pipeline.triggers.daemon.state import State
    from hilir.pipeline.triggers.daemon.status import describe, write_lines

    found = describe(State(state_folder(load(config, overlays, settings).config)))
    click.echo(json.dumps(found) if as_json else "\n".join(write_lines(found, config)))
