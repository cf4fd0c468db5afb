"""`hilir watch`."""

from __future__ import annotations

import click

from hilir.pipeline.cli.options import config_argument, json_option, overlay_option, set_option
from hilir.serving.cli.options import Group


class _Watch(Group):
    """A group in which a word that is not a command is the configuration to watch."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options of `hilir watch CONFIG`, which are those of the hidden command, and the commands."""
        options = [each for each in [*start.params, *self.get_params(ctx)] if isinstance(each, click.Option)]
        records = [each.get_help_record(ctx) for each in options]
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record])
        self.format_commands(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts `start` in front of a configuration."""
        if not {"-h", "--help"} & set(args[:1]) and (not args or args[0] not in self.commands):
            args = ["start", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Watch, subcommand_metavar="[CONFIG] | status [CONFIG]")
def watch() -> None:
    """Retrain automatically: on a schedule, new data, the model's age, drift, or a call.

    'hilir watch CONFIG' runs in the foreground until Ctrl-C. Section 'watch' of the configuration has the triggers. It
    may be killed at any time: the next one continues where it stopped.
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
    """Show the triggers, the runs that they started, and every decision."""
    import json

    from hilir.pipeline.config import load
    from hilir.pipeline.triggers.daemon.build_daemon import state_folder
    from hilir.pipeline.triggers.daemon.daemon_state import State
    from hilir.pipeline.triggers.daemon.daemon_status import describe, write_lines

    found = describe(State(state_folder(load(config, overlays, settings).config)))
    click.echo(json.dumps(found) if as_json else "\n".join(write_lines(found, config)))
