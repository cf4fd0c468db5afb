"""`hilir release`."""

from __future__ import annotations

from typing import Any

import click

from hilir.serving.cli.options import (
    CHANGES,
    OPTIONS,
    SELECTION,
    Group,
    add_options,
    offline_option,
    open_transaction,
    print_state,
    schema_option,
    version_argument,
)
from hilir.serving.cli.rollout import rollout


@click.group(cls=Group)
def release() -> None:
    """Decide which version of a model gets which traffic.

    Every command may be repeated; it does nothing the second time.
    """


@release.command("list")
@add_options(SELECTION)
def list_versions(**selection: Any) -> None:
    """List the versions on disk and their states."""
    from hilir.serving.release.selection import select
    from hilir.serving.release.state_listing import list_lines

    for line in list_lines(*select(**selection)):
        click.echo(line)


@release.command()
@add_options(OPTIONS)
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON.")
def show(as_json: bool, **options: Any) -> None:
    """Show the release, and where servers and gateway differ from it.

    Exit code 3 if one of them does not answer, or does not do what the release says.
    """
    from hilir.serving.release.state_listing import inspect, show_lines

    found = inspect(open_transaction(**options))
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
@version_argument
@add_options(OPTIONS, CHANGES)
@schema_option
@offline_option
@click.option("--served-root", metavar="PATH", help="The serving root as the servers see it, for containers.")
def stage(version: int, accept_schema_change: bool, **options: Any) -> None:
    """Load VERSION on the servers, verify it, and make it the candidate without traffic."""
    from hilir.serving.release import verbs

    transaction = open_transaction(**options)
    print_state(transaction, verbs.stage(transaction, version, accept_schema_change=accept_schema_change))


@release.command()
@version_argument
@click.option("--percent", required=True, type=float, help="Percentage of the traffic, 0 to 100.")
@click.option("--shadow", type=float, help="Percentage of stable's requests to copy to it; its answers are dropped.")
@add_options(OPTIONS, CHANGES)
@schema_option
def canary(version: int, percent: float, shadow: float | None, accept_schema_change: bool, **options: Any) -> None:
    """Give VERSION a part of the traffic.

    Users with a key keep their version.
    """
    from hilir.serving.release import verbs

    transaction = open_transaction(**options)
    state = verbs.canary(transaction, version, percent, shadow=shadow, accept_schema_change=accept_schema_change)
    print_state(transaction, state)


@release.command()
@add_options(OPTIONS, CHANGES)
@offline_option
def promote(**options: Any) -> None:
    """Make the candidate stable; the version before it stays loaded."""
    from hilir.serving.release import verbs

    transaction = open_transaction(**options)
    print_state(transaction, verbs.promote(transaction))


@release.command()
@click.option(
    "--to", type=click.IntRange(1), metavar="VERSION", help="Version to go back to. [default: the previous stable one]"
)
@add_options(OPTIONS, CHANGES)
def rollback(to: int | None, **options: Any) -> None:
    """Give all traffic back to the previous stable version."""
    from hilir.serving.release import verbs

    transaction = open_transaction(**options)
    print_state(transaction, verbs.rollback(transaction, to))


@release.command()
@add_options(OPTIONS, CHANGES)
def abort(**options: Any) -> None:
    """Stop the candidate's trial; all traffic goes to stable."""
    from hilir.serving.release import verbs

    transaction = open_transaction(**options)
    print_state(transaction, verbs.abort(transaction))


@release.command()
@version_argument
@add_options(OPTIONS, CHANGES)
def approve(version: int, **options: Any) -> None:
    """Approve that VERSION gets traffic; whoever staged it cannot.

    Needed where the project's configuration says release.approval: required.
    """
    from hilir.serving.release import verbs

    transaction = open_transaction(**options)
    verbs.approve(transaction, version)
    prefix = "nothing was changed; it would be: " if transaction.dry_run else ""
    click.echo(f"{transaction.model}: {prefix}version {version} is approved by {transaction.actor}")


@release.command()
@click.argument("versions", nargs=-1, type=click.IntRange(1))
@add_options(OPTIONS, CHANGES)
def retire(versions: tuple[int, ...], **options: Any) -> None:
    """Unload VERSIONS, or all that are neither stable nor the candidate."""
    from hilir.serving.release import verbs

    transaction = open_transaction(**options)
    print_state(transaction, verbs.retire(transaction, versions))


@release.command()
@add_options(SELECTION)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--at", metavar="DATE", help="Show only what was in force then: a date (its end) or a time, UTC.")
def history(as_json: bool, at: str | None, **selection: Any) -> None:
    """Show what was done, when, by whom and why."""
    from hilir.serving.release.selection import select
    from hilir.serving.release.state_listing import history_lines

    for line in history_lines(*select(**selection), as_json, at):
        click.echo(line)


release.add_command(rollout)
