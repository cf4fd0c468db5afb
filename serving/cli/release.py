"""`hilir release`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hilir.serving.release.transaction import Transaction

Command = Callable[..., Any]

_SELECTION: list[Callable[[Command], Command]] = [
    click.option("--root", metavar="PATH", help="Folder with the models' versions. [out/models]"),
    click.option("--model", metavar="NAME", help="Name of the model. [the only one, or the only released one]"),
    click.option("--config", metavar="FILE", help="A project's configuration, for --root and --model."),
]
_OPTIONS: list[Callable[[Command], Command]] = [
    *_SELECTION,
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
_CHANGES: list[Callable[[Command], Command]] = [
    click.option("--dry-run", is_flag=True, help="Check and print the changes, without making them."),
    click.option("--why", default="", metavar="TEXT", help="Reason to record in the history."),
]
_schema_option = click.option(
    "--accept-schema-change",
    is_flag=True,
    help="Accept a version whose inputs, outputs or classes differ from stable's.",
)
_offline_option = click.option(
    "--offline", is_flag=True, help="For the first release, while no server is running: write what a server will load."
)
_version = click.argument("version", type=click.IntRange(1))


def _with(*groups: list[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


@click.group()
def release() -> None:
    """Decide which version of a model gets which traffic.

    Every command may be repeated; it does nothing the second time.
    """


def _open(
    root: str | None, model: str | None, config: str | None, servers: tuple[str, ...], **more: Any
) -> Transaction:
    from hilir.serving.release.factory import open_transaction
    from hilir.serving.release.selection import read_config, select

    store, chosen = select(root, model, config)
    transaction = open_transaction(store, chosen, servers=servers, echo=lambda line: click.echo(line), **more)
    if config is not None and "dry_run" in more:
        _follow_policy(transaction, read_config(config).approval)
    return transaction


def _follow_policy(transaction: Transaction, approval: str | None) -> None:
    """What the project's configuration says holds from now on, for commands without it as well."""
    from hilir.serving.release import verbs

    if approval is not None and not transaction.dry_run:
        verbs.require_approval(transaction, approval)


def _print_state(transaction: Transaction, state: Any) -> None:
    from hilir.serving.release.transaction import describe

    click.echo(
        f"{transaction.model}: {'nothing was changed; it would be: ' if transaction.dry_run else ''}{describe(state)}"
    )


@release.command("list")
@_with(_SELECTION)
def list_versions(**selection: str | None) -> None:
    """List the versions on disk and their states."""
    from hilir.serving.release.report import list_lines
    from hilir.serving.release.selection import select

    for line in list_lines(*select(**selection)):
        click.echo(line)


@release.command()
@_with(_OPTIONS)
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON.")
def show(as_json: bool, **options: Any) -> None:
    """Show the release, and where servers and gateway differ from it.

    Exit code 3 if one of them does not answer, or does not do what the release says.
    """
    from hilir.serving.release.report import inspect, show_lines

    found = inspect(_open(**options))
    for line in show_lines(found, as_json):
        click.echo(line)
    found.require_arrival()


@release.command()
@click.argument("path", metavar="PATH")
@click.option("--dry-run", is_flag=True, help="Check and print the changes, without making them.")
@click.option("--why", default="", metavar="TEXT", help="Reason to record in the manifest.")
def adopt(path: str, dry_run: bool, why: str) -> None:
    """Write a manifest for a SavedModel that hilir did not make, so that it can be staged.

    PATH is its folder, <root>/<model>/<version>. The version counts as blessed. Golden requests that lie in
    assets.extra/golden.jsonl are replayed when it is staged; without them its answers are not verified.
    """
    from pathlib import Path

    from hilir.serving.release.adopt import adopt_version
    from hilir.serving.release.selection import DEFAULT_ROOT

    manifest = adopt_version(path, why, dry_run)
    prefix = "nothing was changed; it would be: " if dry_run else ""
    signatures = ", ".join(manifest["signatures"]) or "no signatures"
    click.echo(
        f"{prefix}{manifest['model']} version {manifest['version']}, {len(manifest['files'])} files, {signatures}"
    )
    root = Path(path).absolute().parent.parent
    elsewhere = "" if root == Path(DEFAULT_ROOT).absolute() else f" --root {root}"
    click.echo(f"next: hilir release stage {manifest['version']} --model {manifest['model']}{elsewhere}")


@release.command()
@_version
@_with(_OPTIONS, _CHANGES)
@_schema_option
@_offline_option
@click.option("--served-root", metavar="PATH", help="The serving root as the servers see it, for containers.")
def stage(version: int, accept_schema_change: bool, **options: Any) -> None:
    """Load VERSION on the servers, verify it, and make it the candidate without traffic."""
    from hilir.serving.release import verbs

    transaction = _open(**options)
    _print_state(transaction, verbs.stage(transaction, version, accept_schema_change=accept_schema_change))


@release.command()
@_version
@click.option("--percent", required=True, type=float, help="Percentage of the traffic, 0 to 100.")
@click.option("--shadow", type=float, help="Percentage of stable's requests to copy to it; its answers are dropped.")
@_with(_OPTIONS, _CHANGES)
@_schema_option
def canary(version: int, percent: float, shadow: float | None, accept_schema_change: bool, **options: Any) -> None:
    """Give VERSION a part of the traffic.

    Users with a key keep their version.
    """
    from hilir.serving.release import verbs

    transaction = _open(**options)
    state = verbs.canary(transaction, version, percent, shadow=shadow, accept_schema_change=accept_schema_change)
    _print_state(transaction, state)


@release.command()
@_with(_OPTIONS, _CHANGES)
@_offline_option
def promote(**options: Any) -> None:
    """Make the candidate stable; the version before it stays loaded."""
    from hilir.serving.release import verbs

    transaction = _open(**options)
    _print_state(transaction, verbs.promote(transaction))


@release.command()
@click.option(
    "--to", type=click.IntRange(1), metavar="VERSION", help="Version to go back to. [the previous stable one]"
)
@_with(_OPTIONS, _CHANGES)
def rollback(to: int | None, **options: Any) -> None:
    """Give all traffic back to the previous stable version."""
    from hilir.serving.release import verbs

    transaction = _open(**options)
    _print_state(transaction, verbs.rollback(transaction, to))


@release.command()
@_with(_OPTIONS, _CHANGES)
def abort(**options: Any) -> None:
    """Stop the candidate's trial; all traffic goes to stable."""
    from hilir.serving.release import verbs

    transaction = _open(**options)
    _print_state(transaction, verbs.abort(transaction))


@release.command()
@_version
@_with(_OPTIONS, _CHANGES)
def approve(version: int, **options: Any) -> None:
    """Approve that VERSION gets traffic; whoever staged it cannot.

    Needed where the project's configuration says release.approval: required.
    """
    from hilir.serving.release import verbs

    transaction = _open(**options)
    verbs.approve(transaction, version)
    prefix = "nothing was changed; it would be: " if transaction.dry_run else ""
    click.echo(f"{transaction.model}: {prefix}version {version} is approved by {transaction.actor}")


@release.command()
@click.argument("versions", nargs=-1, type=click.IntRange(1))
@_with(_OPTIONS, _CHANGES)
def retire(versions: tuple[int, ...], **options: Any) -> None:
    """Unload VERSIONS, or all that are neither stable nor the candidate."""
    from hilir.serving.release import verbs

    transaction = _open(**options)
    _print_state(transaction, verbs.retire(transaction, versions))


@release.command()
@_with(_SELECTION)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--at", metavar="DATE", help="Show only what was in force then: a date (its end) or a time, UTC.")
def history(as_json: bool, at: str | None, **selection: str | None) -> None:
    """Show what was done, when, by whom and why."""
    from hilir.serving.release.report import history_lines
    from hilir.serving.release.selection import select

    for line in history_lines(*select(**selection), as_json, at):
        click.echo(line)
