"""`hilir release`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hilir.serving.release.transaction import Session

Command = Callable[..., Any]

_OPTIONS: list[Callable[[Command], Command]] = [
    click.option("--root", default="out/models", show_default=True, help="Serving root."),
    click.option("--model", help="Model; may be left out where there is only one."),
    click.option(
        "--server",
        "servers",
        multiple=True,
        metavar="URL",
        help="REST address of the model servers; a name may stand for several. [http://127.0.0.1:8501]",
    ),
    click.option(
        "--gateway",
        "gateways",
        multiple=True,
        metavar="HOST:PORT",
        help="Status of the gateways. [as written]",
    ),
    click.option("--token-file", metavar="FILE", help="Bearer token that the servers want."),
    click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for servers and gateway."),
]
_CHANGES: list[Callable[[Command], Command]] = [
    click.option("--dry-run", is_flag=True, help="Check, say what would be done, and change nothing."),
    click.option("--why", default="", metavar="TEXT", help="Goes into the history."),
]
_schema_option = click.option(
    "--accept-schema-change", is_flag=True, help="Take a version whose inputs differ from stable's."
)
_offline_option = click.option(
    "--offline", is_flag=True, help="First release only: no server runs yet, write what it will start with."
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

    Every verb may be repeated, and does nothing the second time.
    """


def _open(root: str, model: str | None, servers: tuple[str, ...], **more: Any) -> Session:
    from hilir.serving.release.factory import open_session

    return open_session(root, model, servers=servers, say=lambda line: click.echo(line), **more)


def _tell(session: Session, state: Any) -> None:
    from hilir.serving.release.transaction import describe

    click.echo(f"{session.model}: {'nothing was changed; it would be: ' if session.dry_run else ''}{describe(state)}")


@release.command("list")
@click.option("--root", default="out/models", show_default=True, help="Serving root.")
@click.option("--model", help="One model alone.")
def list_versions(root: str, model: str | None) -> None:
    """List the versions on disk and what each is."""
    from hilir.serving.release.report import list_lines

    for line in list_lines(root, model):
        click.echo(line)


@release.command()
@_with(_OPTIONS)
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON.")
def show(as_json: bool, **options: Any) -> None:
    """Show the release, and where servers and gateway differ from it."""
    from hilir.serving.release.report import show_lines

    session = _open(**options)
    for line in show_lines(session, as_json):
        click.echo(line)


@release.command()
@_version
@_with(_OPTIONS, _CHANGES)
@_schema_option
@_offline_option
@click.option("--served-root", metavar="PATH", help="The serving root as the servers see it, for containers.")
def stage(version: int, accept_schema_change: bool, **options: Any) -> None:
    """Load VERSION on the servers, prove it, and make it the candidate without traffic."""
    from hilir.serving.release import verbs

    session = _open(**options)
    _tell(session, verbs.stage(session, version, accept_schema_change=accept_schema_change))


@release.command()
@_version
@click.option("--percent", required=True, type=float, help="Share of the traffic, 0 to 100.")
@click.option("--shadow", type=float, help="Percent of stable's requests to copy to it, without using its answers.")
@_with(_OPTIONS, _CHANGES)
@_schema_option
def canary(version: int, percent: float, shadow: float | None, accept_schema_change: bool, **options: Any) -> None:
    """Give VERSION a share of the traffic; users with a key stay with what they got."""
    from hilir.serving.release import verbs

    session = _open(**options)
    state = verbs.canary(session, version, percent, shadow=shadow, accept_schema_change=accept_schema_change)
    _tell(session, state)


@release.command()
@_with(_OPTIONS, _CHANGES)
@_offline_option
def promote(**options: Any) -> None:
    """Make the candidate stable; the version before it stays loaded."""
    from hilir.serving.release import verbs

    session = _open(**options)
    _tell(session, verbs.promote(session))


@release.command()
@click.option("--to", type=click.IntRange(1), metavar="VERSION", help="Another version than the one before.")
@_with(_OPTIONS, _CHANGES)
def rollback(to: int | None, **options: Any) -> None:
    """Give all traffic to the version that was stable before: at the gateway at once."""
    from hilir.serving.release import verbs

    session = _open(**options)
    _tell(session, verbs.rollback(session, to))


@release.command()
@_with(_OPTIONS, _CHANGES)
def abort(**options: Any) -> None:
    """End the trial of the candidate; all traffic goes to stable."""
    from hilir.serving.release import verbs

    session = _open(**options)
    _tell(session, verbs.abort(session))


@release.command()
@click.argument("versions", nargs=-1, type=click.IntRange(1))
@_with(_OPTIONS, _CHANGES)
def retire(versions: tuple[int, ...], **options: Any) -> None:
    """Unload VERSIONS, or all that are neither stable nor the candidate."""
    from hilir.serving.release import verbs

    session = _open(**options)
    _tell(session, verbs.retire(session, versions))


@release.command()
@click.option("--root", default="out/models", show_default=True, help="Serving root.")
@click.option("--model", help="Model; may be left out where there is only one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def history(root: str, model: str | None, as_json: bool) -> None:
    """Show what was done, when and why."""
    from hilir.serving.release.report import history_lines

    for line in history_lines(root, model, as_json):
        click.echo(line)
