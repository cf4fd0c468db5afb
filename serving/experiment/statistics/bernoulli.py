"""Exact confidence sequences of a share, for small samples and shares (Howard et al. 2021, arXiv 1810.08240)."""

from __future__ import annotations

import math

from scipy.optimize import brentq, minimize_scalar
from scipy.special import betaln

from hilir.serving.experiment.statistics.boundaries import best_rho

_EDGE = 1e-9


def log_mixture(s: float, v: float, g: float, h: float, rho: float) -> float:
    """Returns the logarithm of the two-sided beta-binomial mixture martingale (confseq, BetaBinomialMixture).

    Args:
        s: the sum of centred observations, each in [-g, h].
        v: intrinsic time, g h for each observation.
        g: how far an observation can fall below its mean.
        h: how far it can rise above it.
        rho: precision, as `best_rho` returns it.
    """
    r = max(rho - g * h, 1e-3 * g * h)
    total = g + h
    return float(
        v / (g * h) * math.log(total)
        - (v + h * s) / (h * total) * math.log(g)
        - (v - g * s) / (g * total) * math.log(h)
        + betaln((r + v - g * s) / (g * total), (r + v + h * s) / (h * total))
        - betaln(r / (g * total), r / (h * total))
    )


def mixture_bound(v: float, v_opt: float, g: float, h: float, alpha: float) -> float:
    """Returns the sum at which the martingale reaches 1 / alpha, at most v / g, which no sum exceeds."""
    rho, limit, most = best_rho(v_opt, alpha), -math.log(alpha), v / g
    if log_mixture(most * (1 - _EDGE), v, g, h, rho) < limit:
        return most
    return float(brentq(lambda s: log_mixture(s, v, g, h, rho) - limit, 0.0, most * (1 - _EDGE)))


def share_interval(successes: float, n: float, planned: float, alpha: float = 0.05) -> tuple[float, float]:
    """Returns the confidence sequence of a share at one look.

    Args:
        successes: of `n` observations.
        n: observations so far; none gives (0, 1).
        planned: observations at which the interval is to be tightest, fixed before the data.
        alpha: chance that the sequence ever misses the share.
    """
    if n <= 0:
        return 0.0, 1.0
    found = successes / n

    def excess(p: float) -> float:
        v_one = p * (1 - p)
        return log_mixture((found - p) * n, v_one * n, p, 1 - p, best_rho(v_one * planned, alpha)) + math.log(alpha)

    low = 0.0 if successes == 0 or excess(_EDGE) < 0 else brentq(excess, _EDGE, min(found, 1 - _EDGE))
    high = 1.0 if successes == n or excess(1 - _EDGE) < 0 else brentq(excess, max(found, _EDGE), 1 - _EDGE)
    return float(low), float(high)


def compare_shares(
    stable: tuple[float, float], candidate: tuple[float, float], planned: tuple[float, float], alpha: float = 0.05
) -> float:
    """Returns the always-valid p that two arms have the same share, exact at any size.

    The product of both arms' martingales at a common share is one, too: p is what no common share can explain away.

    Args:
        stable: successes and observations.
        candidate: the same.
        planned: observations of each arm for which it is tuned, fixed before the data.
        alpha: error for which it is tuned.
    """
    if stable[1] <= 0 or candidate[1] <= 0:
        return 1.0

    def evidence(p: float) -> float:
        v = p * (1 - p)
        return sum(
            log_mixture(hits - p * n, v * n, p, 1 - p, best_rho(v * size, alpha))
            for (hits, n), size in zip((stable, candidate), planned, strict=True)
        )

    low, high = sorted(min(max(hits / n, _EDGE), 1 - _EDGE) for hits, n in (stable, candidate))
    if high - low < _EDGE:
        return 1.0
    least = minimize_scalar(evidence, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    return min(1.0, math.exp(-min(float(least.fun), evidence(low), evidence(high))))
