"""Options that several commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hilir.serving.notify import Channel
    from hilir.serving.release.transaction import Transaction
    from hilir.serving.releases.state import State

Command = Callable[..., Any]


class Group(click.Group):
    """A group whose help has the whole line of each command; click's own cuts it off."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the table of commands."""
        shown = [(name, command) for name, command in sorted(self.commands.items()) if not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(limit=200)) for name, command in shown])
        del ctx


SELECTION: list[Callable[[Command], Command]] = [
    click.option("--root", metavar="PATH", help="Folder with the models' versions. [default: out/models]"),
    click.option(
        "--model", metavar="NAME", help="Name of the model. [default: the only one, or the only released one]"
    ),
    click.option("--config", metavar="FILE", help="A project's configuration, for --root and --model."),
    click.option(
        "--overlay", "overlays", multiple=True, metavar="FILE", help="A YAML file over --config's; may be repeated."
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="A.B=C", help="Set one key of --config's; may be repeated."
    ),
]
OPTIONS: list[Callable[[Command], Command]] = [
    *SELECTION,
    click.option(
        "--server",
        "servers",
        multiple=True,
        metavar="URL",
        help="REST address of a model server; its name may resolve to several. [default: http://127.0.0.1:8501]",
    ),
    click.option(
        "--gateway",
        "gateways",
        multiple=True,
        metavar="HOST:PORT",
        help="Status address of a gateway. [default: the one that 'hilir gateway' wrote]",
    ),
    click.option("--token-file", metavar="FILE", help="File with the servers' bearer token."),
    click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for servers and gateway."),
]
CHANGES: list[Callable[[Command], Command]] = [
    click.option("--dry-run", is_flag=True, help="Check and print the changes, without making them."),
    click.option("--why", default="", metavar="TEXT", help="Reason to record in the history."),
]
schema_option = click.option(
    "--accept-schema-change",
    is_flag=True,
    help="Accept a version whose inputs, outputs or classes differ from stable's.",
)
offline_option = click.option(
    "--offline", is_flag=True, help="For the first release, while no server is running: write what a server will load."
)
version_argument = click.argument("version", type=click.IntRange(1))


def add_options(*groups: list[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    """Returns a decorator that adds groups of options to a command."""

    def add(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


def open_transaction(
    root: str | None,
    model: str | None,
    config: str | None,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    servers: tuple[str, ...],
    **more: Any,
) -> Transaction:
    """Returns the transaction that a command's options mean; takes over what the project's configuration says."""
    from hilir.serving.release import factory
    from hilir.serving.release.selection import read_config, select

    store, chosen = select(root, model, config, overlays, settings)
    project = read_config(config, overlays, settings) if config is not None else None
    if project is not None and project.notify:
        more["notify"] = open_notifier(project.notify)
    transaction = factory.open_transaction(store, chosen, servers=servers, echo=lambda line: click.echo(line), **more)
    if project is not None and "dry_run" in more:
        _follow_policy(transaction, project.approval)
    return transaction


def open_notifier(channels: Sequence[Channel]) -> Callable[[State], None]:
    """Returns what sends the last event of a state; the command waits at its end until all is sent."""
    from hilir.serving.notify import Notifier
    from hilir.serving.release.state_listing import make_notification

    notifier = Notifier(channels, lambda line: click.echo(f"hilir: {line}", err=True))
    click.get_current_context().call_on_close(notifier.close)
    return lambda state: notifier.offer(make_notification(state))


def _follow_policy(transaction: Transaction, approval: str | None) -> None:
    """What the project's configuration says holds from now on, for commands without it as well."""
    from hilir.serving.release import verbs

    if approval is not None and not transaction.dry_run:
        verbs.require_approval(transaction, approval)


def print_state(transaction: Transaction, state: Any) -> None:
    """Prints a state in one line."""
    from hilir.serving.release.transaction import describe

    click.echo(
        f"{transaction.model}: {'nothing was changed; it would be: ' if transaction.dry_run else ''}{describe(state)}"
    )


def find_config(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Returns the configuration that was named, else the only one here: in this folder, then in its `configs`.

    Raises:
        UsageError: there is none, or there are several.
    """
    del parameter
    if value is not None:
        return value
    from hilir.serving.projects import find_configs

    found = [str(path) for path in find_configs()]
    if len(found) == 1:
        return found[0]
    if found:
        raise click.UsageError(
            f"CONFIG is missing, and there are several here: {', '.join(found)}; name one of them", ctx
        )
    raise click.UsageError(
        "CONFIG is missing, and no YAML file here has the key model.package; name the configuration, "
        f"for example '{ctx.command_path} mymodel.yaml'",
        ctx,
    )
