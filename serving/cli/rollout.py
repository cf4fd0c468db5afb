"""`hilir release rollout`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from hilir.serving.cli.options import (
    CHANGES,
    OPTIONS,
    Command,
    add_options,
    open_transaction,
    print_state,
    schema_option,
    version_argument,
)

if TYPE_CHECKING:
    from hilir.serving.release.transaction import Transaction
    from hilir.serving.releases.rollout_plan import Rollout

_PLAN: list[Callable[[Command], Command]] = [
    click.option(
        "--steps", metavar="PERCENTS", help="Its share of the traffic, step by step. [default: 1,5,25,50,100]"
    ),
    click.option("--hold", metavar="DURATION", help="Least time of a step: 90s, 10m, 2h. [default: 10m]"),
]
_GATES: list[Callable[[Command], Command]] = [
    click.option(
        "--shadow", type=float, metavar="PERCENT", help="First copy this much of stable's traffic to it, without users."
    ),
    click.option(
        "--max-flips",
        type=float,
        metavar="FRACTION",
        help="Largest fraction of copies it may answer otherwise. [default: 0.1]",
    ),
    click.option(
        "--max-latency-ratio", type=float, metavar="RATIO", help="Largest p99 against stable's. [default: 1.5]"
    ),
    click.option(
        "--min-requests", type=click.IntRange(0), metavar="N", help="Its requests before a step ends. [default: 100]"
    ),
    click.option(
        "--drift",
        type=click.Choice(["warn", "alarm", "off"]),
        help="Level of prediction drift that rolls back. [default: alarm]",
    ),
    click.option(
        "--request-log", "request_log", multiple=True, metavar="PREFIX", help="The servers' log; may be repeated."
    ),
    click.option(
        "--guardrail",
        "guardrails",
        multiple=True,
        metavar="COMMAND|METRIC",
        help="Command whose exit code decides (0 continues, 75 waits, others roll back), or a metric of users that "
        "must not be worse, like mean:spent:margin=0.1.",
    ),
    click.option("--outcomes", metavar="PLACE", help="Where outcomes of metrics are. [default: out/outcomes.sqlite]"),
    click.option(
        "--window", metavar="DURATION", help="Outcomes count until so long after a user's first request. [default: 10m]"
    ),
]


@click.command()
@version_argument
@add_options(_PLAN, _GATES)
@click.option("--every", default="1s", show_default=True, metavar="DURATION", help="Time between two looks.")
@click.option("--retry", is_flag=True, help="Try a version again that was rolled back.")
@click.option("--requests-per-second", type=float, metavar="N", help="For --dry-run: traffic to reckon with.")
@click.option("--error-rate", type=float, metavar="FRACTION", help="For --dry-run: stable's errors to reckon with.")
@add_options(OPTIONS, CHANGES)
@schema_option
def rollout(
    version: int,
    every: str,
    retry: bool,
    requests_per_second: float | None,
    error_rate: float | None,
    outcomes: str | None,
    accept_schema_change: bool,
    **options: Any,
) -> None:
    """Give VERSION the traffic step by step, and roll it back if it is worse.

    Between two steps gates compare it with stable at the same time: errors, latency, drift of predictions, guardrails.
    The command runs until the end. If it is stopped or killed, the same command continues. Exit code 5: rolled back.
    """
    from dataclasses import replace

    from hilir.serving.rollout.plan import parse_duration
    from hilir.serving.rollout.rollout_factory import open_runner

    given = {
        name: options.pop(name)
        for name in (
            "steps", "hold", "shadow", "max_flips", "max_latency_ratio", "min_requests", "drift", "request_log",
            "guardrails", "window",
        )
    }  # fmt: skip
    transaction = open_transaction(**options)
    wanted = _make_plan(transaction, version, given)
    if transaction.dry_run:
        _print_forecast(transaction, wanted, requests_per_second, error_rate)
        return
    runner = replace(
        open_runner(transaction, wanted, outcomes, accept_schema_change),
        every=max(parse_duration("--every", every), 0.05),
    )
    try:
        state = runner.run(wanted, retry)
    except KeyboardInterrupt:
        click.echo(
            f"{transaction.model}: the rollout stays where it is; the same command continues it, and "
            "'hilir release abort' ends it"
        )
        raise
    print_state(transaction, state)


def _make_plan(transaction: Transaction, version: int, given: dict[str, Any]) -> Rollout:
    """The plan that was typed, or the one in progress where nothing was typed."""
    from pydantic import ValidationError

    from hilir.serving.errors import ServingConfigError
    from hilir.serving.releases.rollout_plan import Gates, Rollout
    from hilir.serving.rollout.plan import DEFAULT_HOLD, DEFAULT_STEPS, parse_duration, parse_steps

    running = transaction.read().rollout
    if running is not None and running.version == version and not any(given.values()):
        return running
    # Whoever continues the rollout may do so in another folder.
    log = tuple(os.path.abspath(prefix) for prefix in given["request_log"])
    shadow, drift = given["shadow"], given["drift"]
    if drift in ("warn", "alarm") and not log:
        raise ServingConfigError(
            "--drift needs the servers' request log: name it with --request-log PREFIX as "
            "'hilir serve --request-log PREFIX' has it"
        )
    gates = {
        name: given[name] for name in ("max_flips", "max_latency_ratio", "min_requests") if given[name] is not None
    }
    gates |= {"window_seconds": parse_duration("--window", given["window"] or "10m")}
    gates |= {"drift": None if drift == "off" or not log else drift or "alarm"}
    steps = parse_steps(given["steps"] or DEFAULT_STEPS)
    try:
        return Rollout(
            version=version,
            steps=(0.0, *steps) if shadow else steps,
            hold_seconds=parse_duration("--hold", given["hold"] or DEFAULT_HOLD),
            shadow=shadow or 0.0,
            gates=Gates(request_log=log, guardrails=given["guardrails"], **gates),
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][-1]).replace("_", "-") if first["loc"] else "steps"
        raise ServingConfigError(f"--{name}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def _print_forecast(
    transaction: Transaction, wanted: Rollout, per_second: float | None, error_rate: float | None
) -> None:
    from dataclasses import replace

    from hilir.serving.release.version_checks import check_version
    from hilir.serving.rollout.forecast import Traffic, forecast_lines
    from hilir.serving.rollout.rollout_factory import measure_traffic

    check_version(transaction.store, transaction.model, wanted.version)
    found = measure_traffic(transaction)
    if per_second is not None:
        found = Traffic(per_second, 0.001 if found is None else found.error_rate, "as given")
    if error_rate is not None and found is not None:
        found = replace(found, error_rate=error_rate, source="as given")
    for line in forecast_lines(wanted, found):
        click.echo(line)
