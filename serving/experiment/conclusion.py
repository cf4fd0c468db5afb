"""What an experiment's figures mean, in words that anybody can read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hilir.serving.experiment.experiment_metrics import Metric
from hilir.serving.experiment.readings import Reading
from hilir.serving.experiment.statistics.boundaries import best_rho
from hilir.serving.experiment.statistics.ratio_mismatch import ALARM
from hilir.serving.releases.experiments import Experiment

Status = Literal["withheld", "harmful", "better", "worse", "mixed", "alike", "undecided"]
# A number of users beyond this many planned sizes is no plan.
_FAR = 10.0


@dataclass(frozen=True)
class Conclusion:
    """What is to be done.

    Attributes:
        status: `withheld` while the arms' shares are wrong, `harmful` where a guardrail was crossed; `better`, `worse`
            or `mixed` where metrics differ; `alike` where at the planned size none does; else `undecided`.
        words: a sentence.
        remedy: what to type next; empty where it is to wait.
        more_users: about how many more users it takes; None where that is unknown.
    """

    status: Status
    words: str
    remedy: str = ""
    more_users: int | None = None


@dataclass(frozen=True)
class Guardrail:
    """A guardrail at a look; its sequence is one-sided with the experiment's alpha."""

    metric: Metric
    reading: Reading

    @property
    def is_crossed(self) -> bool:
        """Whether the candidate is worse by more than the margin, beyond doubt."""
        if self.metric.sign > 0:
            return self.reading.high < -self.metric.margin
        return self.reading.low > self.metric.margin

    @property
    def is_safe(self) -> bool:
        """Whether the candidate is not worse by more than the margin, beyond doubt."""
        if self.metric.sign > 0:
            return self.reading.low > -self.metric.margin
        return self.reading.high < self.metric.margin


def conclude(
    experiment: Experiment, primary: Sequence[tuple[Metric, Reading]], corrected: Sequence[float],
    guardrails: Sequence[Guardrail], mismatch_p: float, days: float,
) -> Conclusion:  # fmt: skip
    """Returns what a look means.

    Args:
        experiment: which one.
        primary: the metrics with their readings.
        corrected: p of each, corrected for their number.
        guardrails: with their readings.
        mismatch_p: of the check of the shares.
        days: since the experiment began.
    """
    if mismatch_p < ALARM:
        return Conclusion(
            "withheld",
            f"no decision: the arms do not have the planned shares of users (p = {mismatch_p:.1g}), so that no figure "
            "can be trusted; something loses users of one arm, or their log",
            "find the cause, then 'hilir experiment stop' and start a new one",
        )
    crossed = [each for each in guardrails if each.is_crossed]
    if crossed:
        names = ", ".join(each.metric.title for each in crossed)
        return Conclusion("harmful", f"stop: version {experiment.candidate} harms {names}", "hilir release abort")
    found = [(metric, reading) for (metric, reading), p in zip(primary, corrected, strict=True) if p < experiment.alpha]
    better = [metric.title for metric, reading in found if reading.difference * metric.sign > 0]
    worse = [metric.title for metric, reading in found if reading.difference * metric.sign < 0]
    if better and worse:
        return Conclusion(
            "mixed",
            f"version {experiment.candidate} is better in {', '.join(better)} and worse in {', '.join(worse)}; "
            "decide which one matters",
            "hilir experiment stop",
        )
    if worse:
        words = f"version {experiment.candidate} is worse in {', '.join(worse)}"
        return Conclusion("worse", words, "hilir release abort")
    if better:
        return _conclude_better(experiment, better, days)
    return _conclude_open(experiment, primary)


def _conclude_better(experiment: Experiment, better: Sequence[str], days: float) -> Conclusion:
    words = f"version {experiment.candidate} is better in {', '.join(better)}"
    if days < experiment.least_days:
        left = experiment.least_days - days
        return Conclusion(
            "undecided",
            f"not decided yet: {words} so far, but it may be the novelty or a weekday; wait "
            f"{_describe_days(left)} more, until {experiment.least_days:g} days are over",
        )
    return Conclusion("better", words, "hilir experiment stop, then hilir release promote")


def _conclude_open(experiment: Experiment, primary: Sequence[tuple[Metric, Reading]]) -> Conclusion:
    users = max((reading.users for _, reading in primary), default=0)
    if users >= experiment.planned:
        widest = "; ".join(
            f"{metric.title}: between {reading.low:+.3g} and {reading.high:+.3g}" for metric, reading in primary
        )
        return Conclusion(
            "alike",
            f"no difference was found with the {experiment.planned:,} planned users; what is still possible: {widest}",
            "hilir experiment stop, and keep whichever version you prefer",
        )
    alpha = experiment.alpha / len(primary)
    guesses = [_guess_users(reading, experiment.planned, alpha) for _, reading in primary]
    more = min(max(min(guesses) - users, 1), experiment.planned - users)
    return Conclusion("undecided", f"not decided yet: needs about {_round(more):,} more users", "", _round(more))


def _guess_users(reading: Reading, planned: int, alpha: float) -> int:
    """Returns the users at which a difference as it is now would be found; the planned ones where that is sooner."""
    if not math.isfinite(reading.error) or reading.error <= 0 or reading.difference == 0:
        return planned
    rho = best_rho(planned, alpha)
    one_user = reading.error * math.sqrt(reading.users)
    users = float(max(reading.users, 1))
    while users < planned * _FAR:
        z = reading.difference * math.sqrt(users) / one_user
        if users * z**2 / (2 * (users + rho)) - math.log((users + rho) / rho) / 2 >= -math.log(alpha):
            return math.ceil(users)
        users *= 1.02
    return math.ceil(users)


def _round(number: int) -> int:
    """Two digits are all that is known of it."""
    size = 1
    while number >= 100 * size:
        size *= 10
    return math.ceil(number / size) * size


def _describe_days(days: float) -> str:
    return f"{days:.1f} days" if days >= 1 else f"{days * 24:.1f} hours"
