"""Sample ratio mismatch: do the arms have the shares that were planned (Lindon and Malek, arXiv 2011.03567)?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import gammaln

# An alarm below this: the assignment, or what is recorded of it, is broken, and no decision is to be made.
ALARM = 0.001
CONCENTRATION = 10_000.0


class RatioTest:
    """The sequential test; valid at all looks."""

    def __init__(self, concentration: float = CONCENTRATION) -> None:
        self._concentration = concentration
        self._alpha: list[float] = []
        self._theta: list[float] = []
        self._log_factor = 0.0
        self.p = 1.0

    def add(self, counts: Sequence[int], shares: Sequence[float]) -> float:
        """Counts new users and returns p, the smallest so far.

        Args:
            counts: new users of each arm since the last look.
            shares: the shares that were planned for them; they may differ from those of earlier looks.
        """
        theta = [share / sum(shares) for share in shares]
        # What was learned at other shares would expect those, and find no fault at the new ones.
        if theta != self._theta:
            self._alpha, self._theta = [self._concentration * share for share in theta], theta
        prior = self._alpha
        posterior = [a + x for a, x in zip(prior, counts, strict=True)]
        self._log_factor += _log_beta(posterior) - _log_beta(prior)
        self._log_factor -= sum(x * math.log(share) for x, share in zip(counts, theta, strict=True) if x)
        self._alpha = posterior
        self.p = min(self.p, math.exp(-self._log_factor) if self._log_factor > 0 else 1.0)
        return self.p

    @property
    def log_factor(self) -> float:
        """The logarithm of the Bayes factor against the planned shares."""
        return self._log_factor


def _log_beta(alpha: Sequence[float]) -> float:
    """Returns the logarithm of the multivariate beta function."""
    return float(sum(gammaln(a) for a in alpha) - gammaln(sum(alpha)))
