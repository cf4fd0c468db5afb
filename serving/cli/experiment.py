"""`hilir experiment`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from hilir.serving.cli.options import CHANGES, OPTIONS, SELECTION, Group, add_options, open_transaction, print_state

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class _Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A number with a unit, such as 24h, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", str(value))
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is not a time like 30m, 24h or 7d", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


@click.group(cls=Group)
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
    from hilir.serving.experiment.sample_size import make_plan, write_lines

    if (base is None) == (deviation is None):
        raise click.UsageError("give --base for a rate, or --deviation for a mean")
    try:
        found = make_plan(base, deviation, effect, percent / 100, power, alpha, users)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(json.dumps(found.as_dict()) if as_json else "\n".join(write_lines(found)))


@experiment.command()
@click.argument("name")
@click.option("--candidate", type=click.IntRange(1), required=True, metavar="VERSION", help="The version to try.")
@click.option("--percent", default=50.0, show_default=True, help="The candidate's share of the users.")
@click.option("--metric", "metrics", multiple=True, required=True, help="What decides; may be repeated.")
@click.option("--guardrail", "guardrails", multiple=True, help="What must not become worse; may be repeated.")
@click.option(
    "--planned",
    type=click.IntRange(1),
    required=True,
    metavar="USERS",
    help="Users of both arms, as 'hilir experiment plan' prints them.",
)
@click.option("--alpha", default=0.05, show_default=True, help="Chance to find a difference that is not there.")
@click.option(
    "--window",
    "window_seconds",
    type=_Duration(),
    default="24h",
    show_default=True,
    help="How long after a user's first request outcomes count.",
)
@click.option(
    "--least-days", default=7.0, show_default=True, help="Days before a version is called better: weekdays, novelty."
)
@add_options(OPTIONS, CHANGES)
def start(
    name: str, candidate: int, percent: float, metrics: tuple[str, ...], guardrails: tuple[str, ...], planned: int,
    alpha: float, window_seconds: float, least_days: float, **options: Any,
) -> None:  # fmt: skip
    """Start the experiment NAME: candidate against stable.

    A metric is KIND:NAME[:OPTION=…]: proportion:bought, mean:spent:covariate=spent_before, ratio:clicks/impressions,
    quantile:latency_ms:q=0.95. Names are those of outcomes, or requests, errors and latency_ms of the access log.
    Options: better=up|down; for a guardrail margin=NUMBER, how much worse is still accepted.
    """
    from hilir.serving.experiment import experiment_verbs

    transaction = open_transaction(**options)
    definition = experiment_verbs.Definition(
        name, candidate, percent, metrics, guardrails, planned, alpha, window_seconds, least_days
    )
    print_state(transaction, experiment_verbs.start(transaction, definition))


@experiment.command()
@add_options(OPTIONS, CHANGES)
def stop(**options: Any) -> None:
    """Stop the experiment: all traffic goes to stable, the candidate stays staged."""
    from hilir.serving.experiment import experiment_verbs

    transaction = open_transaction(**options)
    print_state(transaction, experiment_verbs.stop(transaction))


@experiment.command()
@add_options(SELECTION)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def status(as_json: bool, **selection: Any) -> None:
    """List the model's experiments, the newest last."""
    from hilir.serving.release.selection import choose_model, select

    store, model = select(**selection)
    state = store.read(choose_model(store, model))
    if as_json:
        click.echo(json.dumps([each.model_dump(mode="json") for each in state.experiments]))
        return
    if not state.experiments:
        click.echo(f"{state.model}: no experiment has been started")
    for each in state.experiments:
        until = f"ended by {each.ended_by} at {each.ended[:16]}Z" if each.ended_by else "running"
        arms = f"stable {each.stable} against candidate {each.candidate} with {each.percent:g} % of the users"
        metrics = ", ".join(each.metrics + each.guardrails)
        click.echo(
            f"{each.name}: {until}, since {each.started[:16]}Z; {arms}; {metrics}; planned {each.planned:,} users"
        )


@experiment.command()
@click.argument("name", required=False)
@add_options(SELECTION)
@click.option(
    "--access-log",
    "access_logs",
    multiple=True,
    metavar="FILE",
    help="The gateways'. [default: the one that it logs to]",
)
@click.option("--request-log", "request_logs", multiple=True, metavar="PREFIX", help="The servers', if there are any.")
@click.option("--outcomes", metavar="PLACE", help="Where outcomes are. [default: out/outcomes.sqlite]")
@click.option("--html", metavar="FILE", help="Write the page to FILE.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def report(
    name: str | None, access_logs: tuple[str, ...], request_logs: tuple[str, ...], outcomes: str | None,
    html: str | None, as_json: bool, **selection: Any,
) -> None:  # fmt: skip
    """Show what an experiment has found so far; the newest one without NAME.

    You may look as often as you like: the figures stay valid.
    """
    from hilir.serving.disk import write_atomically
    from hilir.serving.errors import ServingConfigError
    from hilir.serving.experiment.report.experiment_page import write_page
    from hilir.serving.experiment.report.json_form import to_json
    from hilir.serving.experiment.report.sources import analyse_experiment
    from hilir.serving.experiment.report.terminal_table import write_table
    from hilir.serving.outcomes.backends import DEFAULT_PLACE
    from hilir.serving.release.selection import choose_model, select

    store, model = select(**selection)
    found = analyse_experiment(
        store, choose_model(store, model), name, access_logs, request_logs, outcomes or DEFAULT_PLACE
    )
    if html is not None:
        try:
            write_atomically(Path(html), write_page(found))
        except OSError as error:
            raise ServingConfigError(f"{html}: cannot be written to ({error.strerror}); name another file") from None
    click.echo(json.dumps(to_json(found)) if as_json else "\n".join(write_table(found)))
