"""What `hilir release rollout --dry-run` prints: the plan, and what each gate can find in each step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from hilir.analysis.drift import ALPHA as DRIFT_ALPHA
from hilir.analysis.drift import MIN_ROWS, smallest_shift
from hilir.serving.experiment.statistics.error_share import smallest_multiple
from hilir.serving.experiment.statistics.quantiles import quantile_levels
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.rollout.gates import ALPHA, QUANTILE
from hilir.serving.rollout.plan import describe_duration

BLIND = 10.0
"""A step whose gate of errors finds nothing smaller than this many times stable's rate is marked."""


@dataclass(frozen=True)
class Traffic:
    """What a plan reckons with.

    Attributes:
        per_second: requests to the model.
        error_rate: stable's share of requests that end in an error.
        source: where the figures are from.
    """

    per_second: float
    error_rate: float
    source: str


@dataclass(frozen=True)
class StepForecast:
    """What the gates can find in a step.

    Attributes:
        percent: the candidate's share.
        seconds: its least duration; longer than the hold where the candidate needs more time for its requests.
        requests: the candidate's.
        errors: multiple of stable's error rate that is found; infinite if none is.
        levels: quantiles of the candidate's latency between which its 99th percentile is known to be.
        shift: shift of predictions that is found, in standard deviations; None: too few.
    """

    percent: float
    seconds: float
    requests: float
    errors: float
    levels: tuple[float, float]
    shift: float | None

    @property
    def is_blind(self) -> bool:
        """Whether errors show only when they are ten times as frequent, or more."""
        return self.errors >= BLIND


def forecast(rollout: Rollout, traffic: Traffic) -> Iterator[StepForecast]:
    """Yields what each step with gates can find, alone: errors of earlier steps add to it."""
    for percent in rollout.steps:
        if not 0 < percent < 100 or traffic.per_second <= 0:
            continue
        share = percent / 100
        seconds = max(rollout.hold_seconds, rollout.gates.min_requests / (traffic.per_second * share))
        requests = traffic.per_second * seconds
        ours, theirs = requests * share, requests * (1 - share)
        enough = min(ours, theirs) >= MIN_ROWS
        yield StepForecast(
            percent=percent,
            seconds=seconds,
            requests=ours,
            errors=smallest_multiple(requests * traffic.error_rate, share),
            levels=quantile_levels(QUANTILE, ours, 1000.0, ALPHA / len(rollout.steps) / 2),
            shift=smallest_shift(round(ours), round(theirs), 1, alpha=DRIFT_ALPHA) if enough else None,
        )


def forecast_lines(rollout: Rollout, traffic: Traffic | None) -> Iterator[str]:
    """Yields the plan for a person."""
    steps = ", ".join(f"{percent:g} %" for percent in rollout.steps)
    yield f"version {rollout.version}: {steps}; each for at least {describe_duration(rollout.hold_seconds)}"
    if rollout.shadow and not rollout.steps[0]:
        yield f"  first, without users: a copy of {rollout.shadow:g} % of stable's requests; {_shadow_rule(rollout)}"
    yield "  gates between the steps:"
    for gate in describe_gates(rollout):
        yield f"    {gate}"
    if traffic is None or traffic.per_second <= 0:
        yield (
            "  what the gates can find is not known: the gateway has counted no requests to the model; "
            "add --requests-per-second and --error-rate"
        )
        return
    yield f"  at {traffic.per_second:.3g} requests/s and {traffic.error_rate:.3%} errors ({traffic.source}):"
    for step in forecast(rollout, traffic):
        yield f"  {step.percent:>5g} %  {'; '.join(_describe(rollout, step))}"


def describe_gates(rollout: Rollout) -> Iterator[str]:
    """Yields the gates in words, those that are off among them."""
    gates = rollout.gates
    yield "errors: rolls back at an e-value of 100" if gates.errors else "errors: not compared"
    ratio = gates.max_latency_ratio
    yield f"latency: 99th percentile up to {ratio:g} times stable's" if ratio is not None else "latency: not compared"
    if gates.drift is None:
        yield "drift: not compared, name the servers' request log with --request-log PREFIX"
    else:
        yield f"drift: rolls back at {gates.drift}"
    yield f"requests: at least {gates.min_requests:,} of the candidate"
    for command in gates.guardrails:
        yield f"guardrail: {command}"


def _shadow_rule(rollout: Rollout) -> str:
    if not rollout.gates.request_log:
        return "errors and latency decide; answers are not compared without --request-log PREFIX"
    return f"at most {rollout.gates.max_flips:.0%} of the answers may flip"


def _describe(rollout: Rollout, step: StepForecast) -> Iterator[str]:
    yield f"{step.requests:,.0f} requests in {step.seconds / 60:,.1f} min"
    if rollout.gates.errors:
        multiple = f"{step.errors:g} times stable's" if math.isfinite(step.errors) else "none, however many"
        yield f"errors from {multiple}{' (!) finds disasters only' if step.is_blind else ''}"
    if rollout.gates.max_latency_ratio is not None:
        low, high = step.levels
        known = f"its 99th percentile is between its {low:.1%} and {high:.1%} quantiles"
        yield known if low > 0 else "latency: too few requests"
    if rollout.gates.drift is not None:
        shift = "too few predictions" if step.shift is None else f"a shift of {step.shift:.2f} standard deviations"
        yield f"drift: {shift}"
