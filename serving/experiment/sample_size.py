"""How large an experiment has to be, and how long that takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from hilir.serving.experiment.statistics.size import fixed_mean, fixed_proportion, sequential_size

# Before a week is over, an effect may be the novelty, or a weekday.
LEAST_DAYS = 7
# Below, the factor for looking at any time would have to be larger.
LEAST_POWER = 0.8
_LONG_DAYS = 60


@dataclass(frozen=True)
class Plan:
    """The size of an experiment.

    Attributes:
        fixed: users of both arms for a test that is looked at once.
        planned: users of both arms for one that is looked at whenever one likes.
        share: the candidate's share.
        effect: the absolute difference to be found.
        power: the chance to find it.
        days: until the planned size, by the users a day; None where they are not known.
    """

    fixed: int
    planned: int
    share: float
    effect: float
    power: float
    days: int | None

    def as_dict(self) -> dict[str, Any]:
        """Returns the plan as plain values."""
        return asdict(self)


def make_plan(
    base: float | None,
    deviation: float | None,
    effect: float,
    share: float,
    power: float = 0.8,
    alpha: float = 0.05,
    users_a_day: float | None = None,
) -> Plan:
    """Returns the plan for a rate (`base`) or a mean (`deviation`).

    Raises:
        ValueError: a number is not one that can be planned with.
    """
    faults = list(_find_faults(base, deviation, effect, share, power, alpha))
    if faults:
        raise ValueError("; ".join(faults))
    if base is not None:
        fixed = fixed_proportion(base, effect, share, alpha, power)
    else:
        fixed = fixed_mean(deviation or 0.0, effect, share, alpha, power)
    planned = sequential_size(fixed, share)
    days = None if users_a_day is None else max(LEAST_DAYS, math.ceil(planned / users_a_day))
    return Plan(math.ceil(fixed), planned, share, effect, power, days)


def _find_faults(
    base: float | None, deviation: float | None, effect: float, share: float, power: float, alpha: float
) -> Iterator[str]:
    """Yields what is wrong with the numbers, by the names of their options."""
    if not math.isfinite(effect) or effect == 0:
        yield f"--effect {effect:g}: give a difference that would matter to you, like 0.02 or -0.02"
    elif base is not None and not 0 < base < 1:
        yield f"--base {base:g}: a rate is between 0 and 1; 10 % is 0.1"
    elif base is not None and not 0 < base + effect < 1:
        yield f"--effect {effect:+g}: from {base:g} that leads to {base + effect:g}, and a rate is between 0 and 1"
    if deviation is not None and not 0 < deviation < math.inf:
        yield f"--deviation {deviation:g}: a standard deviation is above 0"
    if not 0 < share < 1:
        yield f"--percent {share * 100:g}: the candidate's share is between 0 and 100"
    if not LEAST_POWER <= power < 1:
        yield f"--power {power:g}: give one from {LEAST_POWER:g} to below 1, for which the sizes are verified"
    if not 0 < alpha < 1:
        yield f"--alpha {alpha:g}: a chance is between 0 and 1"


def write_lines(plan: Plan) -> Iterator[str]:
    """Yields the plan for a person."""
    smaller = plan.planned * min(plan.share, 1 - plan.share)
    yield f"plan {plan.planned:,} users, {smaller:,.0f} of them in the smaller arm"
    yield (
        f"  a test that is looked at once would need {plan.fixed:,}; this one may be looked at any time, and needs "
        f"{plan.planned / plan.fixed:.2f} times as many for the same power of {plan.power:.0%}"
    )
    half = plan.planned * 0.55
    yield f"  under the planned effect of {plan.effect:+g} half of such experiments end before {half:,.0f}"
    if plan.days is not None:
        yield f"  at that traffic: {plan.days:,} days (at least {LEAST_DAYS}, so that each weekday counts)"
        if plan.days > _LONG_DAYS:
            yield "  that is long: plan for a larger --effect, a share nearer to 50 %, or a more frequent outcome"
    yield f"  next: hilir experiment start NAME --candidate VERSION --metric … --planned {plan.planned}"
