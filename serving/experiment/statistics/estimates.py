"""Differences between two arms with their standard errors, from sums per arm; the unit is the user who was assigned."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A difference, candidate less stable.

    Attributes:
        value: absolute, or relative to stable.
        error: its standard error; infinite where it cannot be known.
        n: users of both arms.
    """

    value: float
    error: float
    n: float


@dataclass(frozen=True)
class Arm:
    """Sums over the users of an arm.

    Attributes:
        n: users.
        total: sum of the values; of a proportion the successes.
        squares: sum of the squared values.
    """

    n: float
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """The mean; 0 without users."""
        return self.total / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """The sample variance of one value; infinite for fewer than two users."""
        return (self.squares - self.total**2 / self.n) / (self.n - 1) if self.n > 1 else math.inf


@dataclass(frozen=True)
class RatioArm:
    """Sums over the users of an arm of numerator m and denominator d, for a ratio of sums (clicks per request)."""

    n: float
    m: float
    mm: float
    d: float
    dd: float
    md: float


def sum_values(values: np.ndarray) -> Arm:
    """Returns the sums of values, one a user."""
    return Arm(float(values.size), float(values.sum()), float((values**2).sum()))


def sum_ratio(numerator: np.ndarray, denominator: np.ndarray) -> RatioArm:
    """Returns the sums of a ratio's two parts, one of each a user."""
    m, d = numerator, denominator
    return RatioArm(
        float(m.size), float(m.sum()), float((m**2).sum()), float(d.sum()), float((d**2).sum()), float((m * d).sum())
    )


def compare_proportions(stable: Arm, candidate: Arm, pooled: bool = True) -> Estimate:
    """Returns the difference of two shares.

    With the pooled variance, and no decision before each arm has five successes and five failures (`may_decide`), small
    shares do not raise false alarms: with separate variances up to a third of all tests at a share of 2 % do.
    """
    n = stable.n + candidate.n
    if not stable.n or not candidate.n:
        return Estimate(0.0, math.inf, n)
    share = (stable.total + candidate.total) / n
    variances = [(share if pooled else arm.mean) for arm in (stable, candidate)]
    square = sum(p * (1 - p) / arm.n for p, arm in zip(variances, (stable, candidate), strict=True))
    return Estimate(candidate.mean - stable.mean, math.sqrt(square) if square > 0 else math.inf, n)


def may_decide(stable: Arm, candidate: Arm, least: int = 5) -> bool:
    """Says whether each arm has enough successes and failures for the normal approximation of a share."""
    return all(min(arm.total, arm.n - arm.total) >= least for arm in (stable, candidate))


def compare_means(stable: Arm, candidate: Arm) -> Estimate:
    """Returns the difference of two means."""
    square = stable.variance / max(stable.n, 1) + candidate.variance / max(candidate.n, 1)
    return Estimate(candidate.mean - stable.mean, math.sqrt(square), stable.n + candidate.n)


def compare_relative(
    stable: tuple[float, float], candidate: tuple[float, float], n_stable: float, n_candidate: float
) -> Estimate:
    """Returns the relative difference (b - a) / a by the delta method.

    Args:
        stable: mean and variance of one value.
        candidate: the same.
        n_stable: users of stable.
        n_candidate: users of the candidate.
    """
    (a, var_a), (b, var_b) = stable, candidate
    n = n_stable + n_candidate
    if a == 0:
        return Estimate(0.0, math.inf, n)
    square = var_b / (a**2 * n_candidate) + var_a * b**2 / (a**4 * n_stable)
    return Estimate((b - a) / a, math.sqrt(square), n)


def compare_ratios(stable: RatioArm, candidate: RatioArm) -> Estimate:
    """Returns the difference of two ratios of sums by the delta method: requests of one user are correlated."""
    (a, var_a), (b, var_b) = ratio_moments(stable), ratio_moments(candidate)
    square = var_a / max(stable.n, 1) + var_b / max(candidate.n, 1)
    return Estimate(b - a, math.sqrt(max(square, 0.0)), stable.n + candidate.n)


def ratio_moments(arm: RatioArm) -> tuple[float, float]:
    """Returns the ratio and the variance of one user's contribution to it (Deng et al. 2018, arXiv 1803.06336)."""
    if arm.n < 2 or arm.d == 0:
        return 0.0, math.inf
    n, m, d = arm.n, arm.m / arm.n, arm.d / arm.n
    var_m = (arm.mm - arm.m**2 / n) / (n - 1)
    var_d = (arm.dd - arm.d**2 / n) / (n - 1)
    covariance = (arm.md - arm.m * arm.d / n) / (n - 1)
    return m / d, var_m / d**2 + var_d * m**2 / d**4 - 2 * covariance * m / d**3


def adjust(values: list[np.ndarray], covariates: list[np.ndarray]) -> list[np.ndarray]:
    """Returns the values less what a covariate from before the first exposure explains (CUPED, Deng et al. 2013).

    Args:
        values: one array an arm, one value a user.
        covariates: the same users' covariate; NaN for users without a history, who get the mean of all.
    """
    y, x = np.concatenate(values), np.concatenate(covariates)
    known = ~np.isnan(x)
    if known.sum() < 2 or np.var(x[known]) == 0:
        return values
    centre = x[known].mean()
    theta = np.cov(y[known], x[known])[0, 1] / np.var(x[known], ddof=1)
    return [
        value - theta * np.where(np.isnan(covariate), 0.0, covariate - centre)
        for value, covariate in zip(values, covariates, strict=True)
    ]
