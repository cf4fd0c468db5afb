"""One metric at one look: the difference between the arms with its confidence sequence and its always-valid p."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hilir.serving.experiment.experiment_metrics import Metric
from hilir.serving.experiment.statistics import estimates
from hilir.serving.experiment.statistics.bernoulli import compare_shares, share_interval
from hilir.serving.experiment.statistics.boundaries import look
from hilir.serving.experiment.statistics.quantiles import compare_quantiles, quantile_interval
from hilir.serving.experiment.users import Users

# With fewer users in an arm the normal approximation of a mean is not to be trusted.
LEAST_USERS = 50
# Below this share of the smaller arm, shares are compared exactly.
SMALL_SHARE = 0.1


@dataclass(frozen=True)
class Reading:
    """A difference, candidate less stable.

    Attributes:
        users: of both arms.
        stable, candidate: the metric in each arm.
        difference: between them.
        low, high: the confidence sequence; infinite while nothing is known.
        p: always-valid, of this look.
        error: standard error of the difference; infinite where there is none.
    """

    users: int
    stable: float
    candidate: float
    difference: float
    low: float
    high: float
    p: float
    error: float = math.inf

    @property
    def relative(self) -> float:
        """The difference relative to stable; not a number where stable is 0."""
        return self.difference / self.stable if self.stable else math.nan


@dataclass(frozen=True)
class Values:
    """What a metric needs of each user: the value, and the denominator or the covariate."""

    value: np.ndarray
    other: np.ndarray | None = None


def collect_values(metric: Metric, users: Users, low: float, high: float) -> Values:
    """Returns a metric's values, one a user, from what happened `low` to `high` seconds after the first request.

    A user of whom no outcome came has the value 0; a quantile leaves such users out, as not a number.
    """

    def total(name: str, begin: float, end: float) -> tuple[np.ndarray, np.ndarray]:
        found = users.done[name].within(begin, end)
        size = users.first.size
        return np.bincount(found.user, found.value, size), np.bincount(found.user, minlength=size)

    value, count = total(metric.source, low, high)
    if metric.kind == "proportion":
        return Values((value > 0).astype(float))
    if metric.kind == "ratio":
        return Values(value, total(metric.per, low, high)[0])
    if metric.kind == "quantile":
        return Values(np.where(count > 0, value, np.nan))
    if not metric.covariate:
        return Values(value)
    before, times = total(metric.covariate, -math.inf, 0.0)
    return Values(value, np.where(times > 0, before, np.nan))


def read_metric(
    metric: Metric, values: Values, candidate: np.ndarray, planned: int, share: float, alpha: float
) -> Reading:
    """Returns the reading of the users given.

    Args:
        metric: the metric.
        values: of the users.
        candidate: whether each is in the candidate's arm.
        planned: users of both arms for which the sequence is tuned.
        share: the candidate's share.
        alpha: chance that the sequence ever misses the truth.
    """
    arms = [
        Values(values.value[arm], None if values.other is None else values.other[arm])
        for arm in (~candidate, candidate)
    ]
    sizes = (planned * (1 - share), planned * share)
    match metric.kind:
        case "proportion":
            return _read_proportion(arms, planned, sizes, alpha)
        case "mean":
            return _read_mean(arms, planned, alpha)
        case "ratio":
            return _read_ratio(arms, planned, alpha)
        case "quantile":
            return _read_quantile(arms, metric.q, sizes, alpha)


def _read_proportion(arms: Sequence[Values], planned: int, sizes: tuple[float, float], alpha: float) -> Reading:
    stable, candidate = (estimates.sum_values(arm.value) for arm in arms)
    found = estimates.compare_proportions(stable, candidate)
    if min(sizes) < SMALL_SHARE * planned and stable.n and candidate.n:
        # Both arms' shares are in their intervals at once with 1 - alpha.
        (low_a, high_a), (low_b, high_b) = (
            share_interval(arm.total, arm.n, size, alpha / 2)
            for arm, size in zip((stable, candidate), sizes, strict=True)
        )
        p = compare_shares((stable.total, stable.n), (candidate.total, candidate.n), sizes, alpha)
        return Reading(
            int(found.n), stable.mean, candidate.mean, found.value, low_b - high_a, high_b - low_a, p, found.error
        )
    return _from_estimate(stable.mean, candidate.mean, found, estimates.may_decide(stable, candidate), planned, alpha)


def _read_mean(arms: Sequence[Values], planned: int, alpha: float) -> Reading:
    plain = [arm.value for arm in arms]
    covariates = [arm.other for arm in arms if arm.other is not None]
    adjusted = estimates.adjust(plain, covariates) if covariates else plain
    stable, candidate = (estimates.sum_values(value) for value in adjusted)
    found = estimates.compare_means(stable, candidate, careful=True)
    enough = min(stable.n, candidate.n) >= LEAST_USERS
    means = [float(value.mean()) if value.size else 0.0 for value in adjusted]
    return _from_estimate(means[0], means[1], found, enough, planned, alpha)


def _read_ratio(arms: Sequence[Values], planned: int, alpha: float) -> Reading:
    stable, candidate = (
        estimates.sum_ratio(arm.value, np.zeros_like(arm.value) if arm.other is None else arm.other) for arm in arms
    )
    levels = [arm.m / arm.d if arm.d else 0.0 for arm in (stable, candidate)]
    enough = min(stable.n, candidate.n) >= LEAST_USERS and min(stable.d, candidate.d) > 0
    found = estimates.Estimate(levels[1] - levels[0], math.inf, stable.n + candidate.n)
    if enough:
        found = estimates.compare_ratios(stable, candidate, careful=True)
    return _from_estimate(levels[0], levels[1], found, enough, planned, alpha)


def _read_quantile(arms: Sequence[Values], q: float, sizes: tuple[float, float], alpha: float) -> Reading:
    stable, candidate = (arm.value[~np.isnan(arm.value)] for arm in arms)
    users = stable.size + candidate.size
    if not stable.size or not candidate.size:
        return Reading(users, math.nan, math.nan, math.nan, -math.inf, math.inf, 1.0)
    (low_a, high_a), (low_b, high_b) = (
        quantile_interval(values, q, size, alpha / 2) for values, size in zip((stable, candidate), sizes, strict=True)
    )
    p = compare_quantiles(stable, candidate, q, min(sizes), alpha)
    a, b = float(np.quantile(stable, q)), float(np.quantile(candidate, q))
    return Reading(users, a, b, b - a, low_b - high_a, high_b - low_a, p)


def _from_estimate(
    stable: float, candidate: float, found: estimates.Estimate, enough: bool, planned: int, alpha: float
) -> Reading:
    error = found.error if enough else math.inf
    seen = look(found.value, error, found.n, planned, alpha)
    return Reading(int(found.n), stable, candidate, found.value, seen.low, seen.high, seen.p, found.error)
