"""Many experiments at once, each with a look every so many users: the rule that the report uses, in arrays."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from hilir.serving.experiment.readings import LEAST_USERS
from hilir.serving.experiment.statistics.boundaries import best_rho, look
from hilir.serving.experiment.statistics.estimates import Arm, compare_means


def stopped_by(
    rng: np.random.Generator, stable: float, candidate: float, *, share: float, planned: int, users: int,
    experiments: int = 2000, every: int = 100, alpha: float = 0.05,
) -> np.ndarray:  # fmt: skip
    """Returns for each experiment the users after which it is decided, infinity if it never is.

    Args:
        rng: of the draws.
        stable, candidate: the true shares of successes.
        share: the candidate's share of the users.
        planned: size for which the sequence is tuned.
        users: size at which the last look is.
        experiments, every, alpha: how many, users between looks, error.
    """
    rho = best_rho(planned, alpha)
    n = np.zeros([2, experiments])
    hits = np.zeros([2, experiments])
    stopped = np.full(experiments, math.inf)
    for total in range(every, users + 1, every):
        new = rng.binomial(every, share, experiments)
        for arm, (count, rate) in enumerate(((every - new, stable), (new, candidate))):
            n[arm] += count
            hits[arm] += rng.binomial(count, rate)
        pooled = hits.sum(0) / total
        with np.errstate(all="ignore"):
            z = (hits[1] / n[1] - hits[0] / n[0]) / np.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
        log_e = total * z**2 / (2 * (total + rho)) - math.log((total + rho) / rho) / 2
        enough = (np.minimum(hits, n - hits) >= 5).all(0)
        decided = enough & (log_e >= -math.log(alpha)) & np.isinf(stopped)
        stopped[decided] = total
    return stopped


def find_difference_of_means(
    stable: Callable[[int], np.ndarray], candidate: Callable[[int], np.ndarray], arms: np.ndarray, planned: int,
    every: int = 100,
) -> bool:  # fmt: skip
    """Returns whether an experiment finds a difference at any look.

    Args:
        stable, candidate: draw so many values.
        arms: of the users, whether it is the candidate's.
        planned, every: as above.
    """
    sums = np.zeros([2, 3])
    for first in range(0, arms.size, every):
        new = int(arms[first : first + every].sum())
        for arm, values in enumerate((stable(every - new), candidate(new))):
            sums[arm] += (values.size, values.sum(), (values**2).sum())
        found = compare_means(*(Arm(*each) for each in sums), careful=True)
        if sums[:, 0].min() >= LEAST_USERS and look(found.value, found.error, found.n, planned).p < 0.05:
            return True
    return False
