"""Which arm do errors fall in? The gate of a rollout, exact at any share (after Lindon et al., arXiv 2205.14762).

If both versions fail alike, an error is in the candidate with the probability of its share of the traffic. The e-value
bets on the candidate's rate being a multiple; at 100 the rollout stops, which happens to at most 1 % of good versions,
whatever the number of looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import logsumexp

STOP = 100.0
# The multiples that are bet on, each with the same weight.
MULTIPLES = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


class ErrorShare:
    """The e-value of all errors so far.

    Args:
        logs: `logs` of an earlier one, to continue it.
    """

    def __init__(self, logs: Sequence[float] = ()) -> None:
        self._logs = list(logs) or [0.0] * len(MULTIPLES)

    @property
    def logs(self) -> tuple[float, ...]:
        """The logarithm of what each bet has become."""
        return tuple(self._logs)

    def add(self, candidate: int, stable: int, share: float) -> float:
        """Counts new errors and returns the e-value.

        Args:
            candidate: new errors of the candidate.
            stable: new errors of stable.
            share: the candidate's share of the requests in which they arose, between 0 and 1.

        Raises:
            ValueError: the share is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise ValueError(f"the candidate's share of the requests is {share}; it must be between 0 and 1")
        for place, multiple in enumerate(MULTIPLES):
            expected = multiple * share / (multiple * share + 1 - share)
            self._logs[place] += candidate * math.log(expected / share)
            self._logs[place] += stable * math.log((1 - expected) / (1 - share))
        return self.value

    @property
    def value(self) -> float:
        """The e-value; infinite where it is too large for a number."""
        log = float(logsumexp(self._logs)) - math.log(len(MULTIPLES))
        return math.exp(log) if log < 700 else math.inf


def smallest_multiple(errors: float, share: float, stop: float = STOP) -> float:
    """Returns the smallest multiple of stable's rate that is expected to stop a rollout.

    Args:
        errors: expected errors of both arms together in the step, if the rates are alike.
        share: the candidate's share of the requests.
        stop: the e-value at which it stops.
    """
    for multiple in (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0):
        found = ErrorShare()
        if found.add(round(errors * share * multiple), round(errors * (1 - share)), share) >= stop:
            return multiple
    return math.inf
