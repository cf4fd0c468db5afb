"""How many users an experiment needs."""

from __future__ import annotations

import math

from scipy.special import ndtri

# At the size of a fixed-horizon test a sequential one has half its power; with 1.75 times as many users it has 80 %
# again, and under the planned effect half of the tests end before 0.55 of that.
SEQUENTIAL = 1.75
# With unequal shares the smaller arm's approximation is worse, and a decline needs somewhat more.
SEQUENTIAL_UNEQUAL = 1.9


def fixed_proportion(base: float, effect: float, share: float = 0.5, alpha: float = 0.05, power: float = 0.8) -> float:
    """Returns the users of both arms together for a fixed-horizon test of two shares, normal approximation.

    Args:
        base: the share under stable.
        effect: the absolute difference to be found, with its sign.
        share: the candidate's share of the users.
        alpha: two-sided error.
        power: the chance to find the effect.

    Raises:
        ValueError: a share is not between 0 and 1, or there is no effect.
    """
    other = base + effect
    if not (0 < base < 1 and 0 < other < 1 and 0 < share < 1) or effect == 0:
        raise ValueError("shares must be between 0 and 1 and differ")
    mean = base * (1 - share) + other * share
    null = math.sqrt(mean * (1 - mean) * (1 / share + 1 / (1 - share)))
    real = math.sqrt(base * (1 - base) / (1 - share) + other * (1 - other) / share)
    return float((ndtri(1 - alpha / 2) * null + ndtri(power) * real) ** 2 / effect**2)


def fixed_mean(deviation: float, effect: float, share: float = 0.5, alpha: float = 0.05, power: float = 0.8) -> float:
    """Returns the users of both arms for a fixed-horizon test of two means with one standard deviation.

    Raises:
        ValueError: there is no effect, no deviation, or the share is not between 0 and 1.
    """
    if effect == 0 or deviation <= 0 or not 0 < share < 1:
        raise ValueError("the effect and the deviation must not be 0, and the share must be between 0 and 1")
    z = float(ndtri(1 - alpha / 2) + ndtri(power))
    return z**2 * deviation**2 * (1 / share + 1 / (1 - share)) / effect**2


def sequential_size(fixed: float, share: float = 0.5) -> int:
    """Returns the planned users of a sequential test with the power of a fixed-horizon test of that size."""
    return math.ceil(fixed * (SEQUENTIAL if abs(share - 0.5) < 0.2 else SEQUENTIAL_UNEQUAL))
