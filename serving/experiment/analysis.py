"""An experiment from its users to its conclusion: looks, decisions, the check of the shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hilir.serving.experiment.conclusion import Conclusion, Guardrail, conclude
from hilir.serving.experiment.experiment_metrics import Metric, parse_metrics
from hilir.serving.experiment.readings import Reading, Values, collect_values, read_metric
from hilir.serving.experiment.statistics.ratio_mismatch import RatioTest
from hilir.serving.experiment.statistics.several_metrics import adjust_p
from hilir.serving.experiment.users import Coverage, Users
from hilir.serving.releases.experiments import Experiment

# Looks at the past, evenly over the users: enough for a curve.
_LOOKS = 40
_DAY = 86_400.0
_MOST_DAYS = 14


@dataclass(frozen=True)
class Curve:
    """A metric over the looks.

    Attributes:
        metric: which one.
        readings: one a look; their p is the smallest so far.
        corrected: p of the last look, corrected for the number of metrics; of a guardrail its own.
        guardrail: whether it is one.
        by_day: the difference on each day since the user's first request, with its own interval of 95 %.
    """

    metric: Metric
    readings: Sequence[Reading]
    corrected: float
    guardrail: bool
    by_day: Sequence[tuple[int, Reading]]


@dataclass(frozen=True)
class Analysis:
    """What an experiment shows.

    Attributes:
        experiment: which one.
        now: seconds since 1970 until which the logs were read.
        days: since it began.
        users: users of stable and of the candidate, all of them.
        counted: those of them whose window has closed.
        mismatch_p: of the check of the shares, the smallest so far.
        curves: the metrics, then the guardrails.
        conclusion: what is to be done.
        timeline: what the conclusion would have been, at each look at which it changed: (time, users, conclusion).
        coverage: what all this rests on.
    """

    experiment: Experiment
    now: float
    days: float
    users: tuple[int, int]
    counted: tuple[int, int]
    mismatch_p: float
    curves: Sequence[Curve]
    conclusion: Conclusion
    timeline: Sequence[tuple[float, int, Conclusion]]
    coverage: Coverage


def analyse(experiment: Experiment, users: Users, started: float, now: float) -> Analysis:
    """Returns what an experiment shows.

    Args:
        experiment: which one.
        users: all of its users.
        started: seconds since 1970 at which it began.
        now: until when; users count when their window has closed by then.
    """
    metrics, guardrails = parse_metrics(experiment.metrics), parse_metrics(experiment.guardrails)
    share = experiment.percent / 100
    closed = users.first + experiment.window_seconds <= now
    counted = int(closed.sum())
    arm = users.candidate[:counted]
    sizes = _look_sizes(counted)
    values = [collect_values(each, users, 0.0, experiment.window_seconds) for each in (*metrics, *guardrails)]
    alphas = [experiment.alpha / len(metrics)] * len(metrics) + [2 * experiment.alpha] * len(guardrails)
    readings = [
        _read_looks(metric, value, arm, sizes, experiment.planned, share, min(alpha, 0.999))
        for metric, value, alpha in zip((*metrics, *guardrails), values, alphas, strict=True)
    ]
    shares = _check_shares(users.candidate, sizes, share)
    conclusions = []
    for place, size in enumerate(sizes):
        seen_at = float(users.first[size - 1] + experiment.window_seconds) if size else now
        at = now if place == len(sizes) - 1 else seen_at
        found = [each[place] for each in readings]
        conclusions.append(
            (at, size, _conclude(experiment, metrics, guardrails, found, shares[place], (at - started) / _DAY))
        )
    last = {str(place): each[-1].p for place, each in enumerate(readings[: len(metrics)])}
    corrected = [*adjust_p(last).values(), *(each[-1].p for each in readings[len(metrics) :])]
    curves = [
        Curve(metric, each, p, place >= len(metrics), _read_days(metric, users, counted, experiment))
        for place, (metric, each, p) in enumerate(zip((*metrics, *guardrails), readings, corrected, strict=True))
    ]
    total = int(users.candidate.sum())
    return Analysis(
        experiment,
        now,
        max(now - started, 0.0) / _DAY,
        (users.candidate.size - total, total),
        (int((~arm).sum()), int(arm.sum())),
        shares[-1],
        curves,
        conclusions[-1][2],
        _changes(conclusions),
        users.coverage,
    )


def _look_sizes(users: int) -> list[int]:
    return sorted({round(users * (place + 1) / _LOOKS) for place in range(_LOOKS)} - {0}) or [0]


def _read_looks(
    metric: Metric, values: Values, arm: np.ndarray, sizes: Sequence[int], planned: int, share: float, alpha: float
) -> list[Reading]:
    """Returns the readings of the first users, so many at each look."""
    found = []
    least = 1.0
    for size in sizes:
        part = Values(values.value[:size], None if values.other is None else values.other[:size])
        reading = read_metric(metric, part, arm[:size], planned, share, alpha)
        least = min(least, reading.p)
        found.append(Reading(**{**vars(reading), "p": least}))
    return found


def _check_shares(candidate: np.ndarray, sizes: Sequence[int], share: float) -> list[float]:
    """Returns p of the check of the shares at each look, the last one with all users."""
    test, seen, found = RatioTest(), 0, []
    for size in [*sizes[:-1], candidate.size]:
        new = candidate[seen:size]
        found.append(test.add([int((~new).sum()), int(new.sum())], [1 - share, share]))
        seen = size
    return found


def _conclude(
    experiment: Experiment, metrics: Sequence[Metric], guardrails: Sequence[Metric], readings: Sequence[Reading],
    mismatch_p: float, days: float,
) -> Conclusion:  # fmt: skip
    primary = list(zip(metrics, readings[: len(metrics)], strict=True))
    guards = [Guardrail(metric, reading) for metric, reading in zip(guardrails, readings[len(metrics) :], strict=True)]
    corrected = list(adjust_p({str(place): reading.p for place, (_, reading) in enumerate(primary)}).values())
    return conclude(experiment, primary, corrected, guards, mismatch_p, days)


def _changes(conclusions: Sequence[tuple[float, int, Conclusion]]) -> list[tuple[float, int, Conclusion]]:
    """Returns the looks at which the conclusion became another one, the first look included."""
    kept: list[tuple[float, int, Conclusion]] = []
    for each in conclusions:
        if not kept or kept[-1][2].status != each[2].status:
            kept.append(each)
    return kept


def _read_days(metric: Metric, users: Users, counted: int, experiment: Experiment) -> list[tuple[int, Reading]]:
    """Returns the difference by day: since the first request, or where the window is a day, of the first request."""
    arm = users.candidate[:counted]
    found = []
    if experiment.window_seconds >= 2 * _DAY and metric.kind != "quantile":
        for day in range(min(math.ceil(experiment.window_seconds / _DAY), _MOST_DAYS)):
            values = collect_values(metric, users, day * _DAY, (day + 1) * _DAY)
            found.append((day + 1, _read_once(metric, values, np.arange(counted), arm)))
        return found
    values = collect_values(metric, users, 0.0, experiment.window_seconds)
    if not counted:
        return []
    day_of = ((users.first[:counted] - users.first[0]) // _DAY).astype(int)
    for day in np.unique(day_of)[-_MOST_DAYS:]:
        found.append((int(day) + 1, _read_once(metric, values, np.flatnonzero(day_of == day), arm)))
    return found


def _read_once(metric: Metric, values: Values, chosen: np.ndarray, arm: np.ndarray) -> Reading:
    """Returns a reading on its own, whose sequence is tightest at the users that there are."""
    part = Values(values.value[chosen], None if values.other is None else values.other[chosen])
    size = max(chosen.size, 1)
    share = float(arm[chosen].mean()) if chosen.size else 0.5
    return read_metric(metric, part, arm[chosen], size, min(max(share, 0.01), 0.99), 0.05)
