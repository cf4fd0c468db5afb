"""`hilir clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hilir.pipeline.run.clean import Plan


@click.command()
@config_argument
@overlay_option
@set_option
@click.option("--keep", default=10, show_default=True, type=click.IntRange(1), help="Runs and versions to keep.")
@click.option("--older", metavar="AGE", help="Remove only what is older than this, for example 12h, 30d or 2w.")
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
def clean(
    config: str, overlays: tuple[str, ...], settings: tuple[str, ...], keep: int, older: str | None, dry_run: bool
) -> None:
    """Remove old runs, artifacts and versions that nothing needs.

    The newest runs and versions stay, and all that a release or an experiment uses, with the runs that made it; of what
    stays the cache still works.
    """
    from hilir.pipeline.config import load
    from hilir.pipeline.report.output_capture import reserved
    from hilir.pipeline.run.retention import Rule, parse_age

    try:
        rule = Rule(keep, parse_age(older) if older is not None else None)
    except ValueError as error:
        raise click.UsageError(f"--older: {error}") from None
    loaded = load(config, overlays, settings)
    with reserved():
        from hilir.pipeline.run.clean import clean as remove

        plan = remove(loaded.config, rule, dry_run=dry_run)
    click.echo("\n".join(_describe(plan, dry_run=dry_run)))


def _describe(plan: Plan, *, dry_run: bool) -> Iterator[str]:
    if not (plan.runs or plan.artifacts or plan.versions):
        yield "nothing to remove"
        return
    yield from (f"run      {run}" for run in plan.runs)
    yield from (f"version  {version.number}  {version.folder}" for version in plan.versions)
    verb = "would remove" if dry_run else "removed"
    yield (
        f"{verb} {_count(len(plan.runs), 'run')}, {_count(len(plan.artifacts), 'artifact')} and "
        f"{_count(len(plan.versions), 'version')}: {plan.size / 1e6:,.1f} MB"
    )
    if plan.protected:
        yield "kept for a release: " + ", ".join(f"{number} ({why})" for number, why in sorted(plan.protected.items()))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
