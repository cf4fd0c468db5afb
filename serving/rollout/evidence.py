"""What a rollout has seen of both versions, from the counters of all gateways."""

from __future__ import annotations

from collections.abc import Mapping

from hilir.serving.experiment.statistics.error_share import ErrorShare
from hilir.serving.gateway.counters import Counted, add, subtract
from hilir.serving.releases.rollout_plan import Counts, Rollout

# Requests of each arm in an increment, so that its share is known well enough.
_LEAST = 10


class Evidence:
    """Counts of the present step, and the errors of all steps.

    An error is as likely in the candidate as its share of the requests around it; so errors are added in increments,
    each with the share of its own requests. An increment that is not complete counts as far as it is.

    Args:
        rollout: with the counters at the beginning of the step, and the evidence of the steps before.
        stable: the other version.
    """

    def __init__(self, rollout: Rollout, stable: int) -> None:
        self._arms = {"stable": (stable, "stable"), "candidate": (rollout.version, _arm(rollout))}
        self._errors = ErrorShare(rollout.evidence)
        self._last = {gateway: dict(arms) for gateway, arms in rollout.baseline.items()}
        self._open = dict.fromkeys(self._arms, Counts())
        self.step = dict.fromkeys(self._arms, Counts())
        """Counts of the present step by arm, `stable` and `candidate`."""

    def update(self, counted: Mapping[str, Counted]) -> None:
        """Takes what gateways have counted; a gateway that is seen for the first time has nothing to add yet."""
        for gateway, arms in pick_arms(counted, self._arms).items():
            before = self._last.get(gateway)
            self._last[gateway] = arms
            if before is None:
                continue
            for arm, counts in arms.items():
                new = subtract(counts, before.get(arm, Counts()))
                self.step[arm] = add(self.step[arm], new)
                self._open[arm] = add(self._open[arm], new)
        if all(counts.requests >= _LEAST for counts in self._open.values()):
            self.close()

    def close(self) -> tuple[float, ...]:
        """Completes the increment; returns the evidence, as a rollout stores it."""
        _add_errors(self._errors, self._open)
        self._open = dict.fromkeys(self._arms, Counts())
        return self._errors.logs

    @property
    def e_value(self) -> float:
        """The e-value against equal rates of errors, over all steps."""
        found = ErrorShare(self._errors.logs)
        _add_errors(found, self._open)
        return found.value


def pick_arms(counted: Mapping[str, Counted], arms: Mapping[str, tuple[int, str]]) -> dict[str, dict[str, Counts]]:
    """Returns the counts of two arms by gateway; each arm is a version and what the gateway calls the arm."""
    return {gateway: {arm: found.get(key, Counts()) for arm, key in arms.items()} for gateway, found in counted.items()}


def take_baseline(counted: Mapping[str, Counted], rollout: Rollout, stable: int) -> dict[str, dict[str, Counts]]:
    """Returns the counters at the beginning of the present step of a rollout."""
    return pick_arms(counted, {"stable": (stable, "stable"), "candidate": (rollout.version, _arm(rollout))})


def _arm(rollout: Rollout) -> str:
    return "candidate" if rollout.percent else "shadow"


def _add_errors(errors: ErrorShare, counts: Mapping[str, Counts]) -> None:
    """Without requests of both versions an error says nothing about which of them makes more."""
    candidate, stable = counts["candidate"], counts["stable"]
    if candidate.requests and stable.requests:
        share = candidate.requests / (candidate.requests + stable.requests)
        errors.add(candidate.errors, stable.errors, share)
