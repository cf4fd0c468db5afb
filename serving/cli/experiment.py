"""`hilir experiment`."""

from __future__ import annotations

import json

import click


@click.group()
def experiment() -> None:
    """Compare two versions with statistics that may be looked at any time."""


@experiment.command()
@click.option("--base", type=float, metavar="RATE", help="Rate under the stable version, for example 0.1.")
@click.option("--deviation", type=float, metavar="SD", help="Standard deviation of one user's value, for a mean.")
@click.option("--effect", type=float, required=True, metavar="DIFFERENCE", help="Absolute difference to be found.")
@click.option("--users", type=click.FloatRange(min=0, min_open=True), metavar="N", help="New users a day.")
@click.option("--percent", default=50.0, show_default=True, help="The candidate's share of the users.")
@click.option("--power", default=0.8, show_default=True, help="Chance to find the effect.")
@click.option("--alpha", default=0.05, show_default=True, help="Chance to find one that is not there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(
    base: float | None,
    deviation: float | None,
    effect: float,
    users: float | None,
    percent: float,
    power: float,
    alpha: float,
    as_json: bool,
) -> None:
    """Print how many users an experiment needs, and how long it takes.

    Give --base for a rate (clicks, errors), or --deviation for a mean.
    """
    from hilir.serving.experiment.plan import make_plan, write_lines

    if (base is None) == (deviation is None):
        raise click.UsageError("give --base for a rate, or --deviation for a mean")
    try:
        found = make_plan(base, deviation, effect, percent / 100, power, alpha, users)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(json.dumps(found.as_dict()) if as_json else "\n".join(write_lines(found)))
