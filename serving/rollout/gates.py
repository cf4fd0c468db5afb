"""What decides between two steps, from the counters of the gateways: errors, latency, and enough requests."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from hilir.serving.experiment.statistics.error_share import STOP
from hilir.serving.experiment.statistics.quantiles import quantile_levels
from hilir.serving.gateway.counters import find_quantile
from hilir.serving.releases.rollout_plan import Counts, Rollout
from hilir.serving.releases.state import State
from hilir.serving.rollout.evidence import Evidence

QUANTILE = 0.99
# Chance that a gate other than that of errors ever rolls back a version that is as good as stable.
ALPHA = 0.01
# Requests at which the bounds of a quantile are closest; fixed before the data, as the sequence needs it.
_PLANNED = 1000.0


# Seconds between two looks of a gate that reads files or runs commands.
PACE = 10.0


class Decision(IntEnum):
    """What a gate wants; of several the highest counts."""

    CONTINUE = 0
    WAIT = 1
    ROLL_BACK = 2


@dataclass(frozen=True)
class Verdict:
    """What a gate found.

    Attributes:
        gate: its name.
        decision: what it wants.
        fact: why, for a person.
    """

    gate: str
    decision: Decision
    fact: str

    def __str__(self) -> str:
        return f"{self.gate}: {self.fact}"


class Gate(Protocol):
    """A gate that looks at something other than the gateways' counters."""

    def judge(self, state: State, rollout: Rollout, over: bool) -> Verdict | None:
        """Returns its verdict; None while it has nothing to report.

        Args:
            state: the release.
            rollout: its rollout.
            over: whether the step has lasted as long as it must.
        """


class Paced:
    """A gate that reads files or runs commands: asked every ten seconds, and when a step begins or is over.

    Args:
        gate: the gate.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._asked: tuple[str, bool] | None = None
        self._again = 0.0
        self._verdict: Verdict | None = None

    def judge(self, state: State, rollout: Rollout, over: bool) -> Verdict | None:
        """Returns the gate's verdict, or the last one until it is time for the next; see `Gate`."""
        if self._asked != (rollout.since, over) or time.monotonic() >= self._again:
            self._verdict = self._gate.judge(state, rollout, over)
            self._asked, self._again = (rollout.since, over), time.monotonic() + PACE
        return self._verdict


def judge_counters(rollout: Rollout, evidence: Evidence) -> list[Verdict]:
    """Returns the verdicts on errors, latency and the number of requests; may be looked at any time."""
    found = [_judge_requests(rollout, evidence)]
    if rollout.gates.errors:
        found.append(_judge_errors(evidence))
    if rollout.gates.max_latency_ratio is not None:
        alpha = ALPHA / len(rollout.steps)
        found.append(
            judge_latency(evidence.step["stable"], evidence.step["candidate"], rollout.gates.max_latency_ratio, alpha)
        )
    return found


def decide(verdicts: Iterable[Verdict]) -> Decision:
    """Returns what follows from all verdicts."""
    return max((verdict.decision for verdict in verdicts), default=Decision.CONTINUE)


def judge_latency(stable: Counts, candidate: Counts, limit: float, alpha: float) -> Verdict:
    """Returns the verdict on the ratio of the 99th percentiles.

    It rolls back if the ratio is certainly above the limit: the candidate's percentile at its lower bound against
    stable's at its upper one, from confidence sequences of quantiles. It waits while the ratio is above the limit and
    may be chance.

    Args:
        stable: counts of the step.
        candidate: the same.
        limit: largest ratio.
        alpha: chance that it ever rolls back although the ratio is not above the limit.
    """
    ours, theirs = find_quantile(candidate, QUANTILE), find_quantile(stable, QUANTILE)
    if ours is None or theirs is None:
        return Verdict("latency", Decision.WAIT, "no requests of both versions yet")
    ratio = ours[1] / theirs[1]
    fact = f"99th percentile {ours[1]:.3g} ms, stable's is {theirs[1]:.3g} ms: {ratio:.2f} times, limit {limit:g}"
    low, _ = quantile_levels(QUANTILE, sum(candidate.latency.values()), _PLANNED, alpha / 2)
    _, high = quantile_levels(QUANTILE, sum(stable.latency.values()), _PLANNED, alpha / 2)
    least, most = find_quantile(candidate, low), find_quantile(stable, high)
    if low > 0 and high < 1 and least is not None and most is not None and least[0] > limit * most[1]:
        return Verdict("latency", Decision.ROLL_BACK, f"{fact}; certainly above")
    if ratio > limit:
        return Verdict("latency", Decision.WAIT, f"{fact}; not certain yet")
    return Verdict("latency", Decision.CONTINUE, fact)


def _judge_requests(rollout: Rollout, evidence: Evidence) -> Verdict:
    seen, wanted = evidence.step["candidate"].requests, rollout.gates.min_requests
    decision = Decision.CONTINUE if seen >= wanted else Decision.WAIT
    return Verdict("requests", decision, f"{seen:,} of the candidate in this step, at least {wanted:,} are needed")


def _judge_errors(evidence: Evidence) -> Verdict:
    e_value, step = evidence.e_value, evidence.step
    decision = Decision.ROLL_BACK if e_value >= STOP else Decision.CONTINUE
    ours, theirs = (f"{step[arm].errors:,} of {step[arm].requests:,}" for arm in ("candidate", "stable"))
    fact = f"{ours} requests of the candidate, {theirs} of stable; e-value {e_value:.3g}, limit {STOP:g}"
    return Verdict("errors", decision, fact)
