"""Exact confidence sequences of quantiles, for latencies (Howard and Ramdas 2022, arXiv 1906.09712)."""

from __future__ import annotations

import math

import numpy as np

from hilir.serving.experiment.statistics.bernoulli import log_mixture, mixture_bound
from hilir.serving.experiment.statistics.boundaries import best_rho


def quantile_levels(p: float, n: float, planned: float, alpha: float = 0.05) -> tuple[float, float]:
    """Returns two levels between whose sample quantiles the true quantile is, at all looks.

    Args:
        p: the quantile, between 0 and 1.
        n: values so far.
        planned: values at which the levels are to be closest, fixed before the data.
        alpha: chance that the sequence ever misses the quantile.
    """
    variance = p * (1 - p)
    above = mixture_bound(variance * n, variance * planned, p, 1 - p, alpha) / n
    below = mixture_bound(variance * n, variance * planned, 1 - p, p, alpha) / n
    return max(p - below, 0.0), min(p + above, 1.0)


def quantile_interval(values: np.ndarray, p: float, planned: float, alpha: float = 0.05) -> tuple[float, float]:
    """Returns the confidence sequence of a quantile at one look; infinite ends where there are too few values."""
    ordered = np.sort(values)
    n = ordered.size
    if n == 0:
        return -math.inf, math.inf
    low, high = quantile_levels(p, n, planned, alpha)
    first, last = math.floor(low * n) - 1, math.ceil(high * n)
    return (
        float(ordered[first]) if low > 0 and first >= 0 else -math.inf,
        float(ordered[last]) if last < n else math.inf,
    )


def compare_quantiles(
    stable: np.ndarray, candidate: np.ndarray, p: float, planned: float, alpha: float = 0.05
) -> float:
    """Returns the always-valid p that both arms have the same quantile (confseq, QuantileABTest).

    It is the largest evidence that no common value of the quantile can explain away.
    """
    if stable.size == 0 or candidate.size == 0:
        return 1.0
    a, b = np.sort(stable), np.sort(candidate)
    rho = best_rho(p * (1 - p) * planned, alpha)
    # Outside of the two arms' own quantiles both have more against a value.
    ends = [arm[min(int(p * arm.size), arm.size - 1)] for arm in (a, b)]
    values = np.unique(np.concatenate([arm[(arm >= min(ends)) & (arm <= max(ends))] for arm in (a, b)]))
    lowest = min(_log_evidence(a, x, p, rho) + _log_evidence(b, x, p, rho) for x in values)
    return min(1.0, math.exp(-lowest))


def _log_evidence(ordered: np.ndarray, x: float, p: float, rho: float) -> float:
    """Returns the least evidence of an arm against x being its quantile.

    At x the distribution function of the arm may be anything between its left and its right limit.
    """
    n = ordered.size
    left, right = float(np.searchsorted(ordered, x, "left")), float(np.searchsorted(ordered, x, "right"))
    count = min(max(p * n, left), right)
    return log_mixture(count - p * n, p * (1 - p) * n, p, 1 - p, rho)
