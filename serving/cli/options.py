"""Options that several commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hilir.serving.release.transaction import Transaction

Command = Callable[..., Any]

SELECTION: list[Callable[[Command], Command]] = [
    click.option("--root", metavar="PATH", help="Folder with the models' versions. [out/models]"),
    click.option("--model", metavar="NAME", help="Name of the model. [the only one, or the only released one]"),
    click.option("--config", metavar="FILE", help="A project's configuration, for --root and --model."),
]
OPTIONS: list[Callable[[Command], Command]] = [
    *SELECTION,
    click.option(
        "--server",
        "servers",
        multiple=True,
        metavar="URL",
        help="REST address of a model server; its name may resolve to several. [http://127.0.0.1:8501]",
    ),
    click.option(
        "--gateway",
        "gateways",
        multiple=True,
        metavar="HOST:PORT",
        help="Status address of a gateway. [the one that 'hilir gateway' wrote]",
    ),
    click.option("--token-file", metavar="FILE", help="File with the servers' bearer token."),
    click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for servers and gateway."),
]
CHANGES: list[Callable[[Command], Command]] = [
    click.option("--dry-run", is_flag=True, help="Check and print the changes, without making them."),
    click.option("--why", default="", metavar="TEXT", help="Reason to record in the history."),
]


def add_options(*groups: list[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    """Returns a decorator that gives a command the options of the groups, in their order."""

    def add(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


def open_transaction(
    root: str | None, model: str | None, config: str | None, servers: tuple[str, ...], **more: Any
) -> Transaction:
    """Returns the transaction that the options mean."""
    from hilir.serving.release import factory
    from hilir.serving.release.selection import select

    store, chosen = select(root, model, config)
    return factory.open_transaction(store, chosen, servers=servers, echo=lambda line: click.echo(line), **more)


def print_state(transaction: Transaction, state: Any) -> None:
    """Prints what a verb came to."""
    from hilir.serving.release.transaction import describe

    click.echo(
        f"{transaction.model}: {'nothing was changed; it would be: ' if transaction.dry_run else ''}{describe(state)}"
    )
