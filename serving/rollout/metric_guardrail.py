"""Guardrails on metrics of users, from access log and outcomes: each step is an epoch, and estimates are pooled.

A share that changes makes users of different days unlike in both arms; so a step's new users are compared with each
other only, and the steps' differences are averaged with their numbers of users as weights.
"""

from __future__ import annotations

import bisect
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from hilir.serving.errors import ServingConfigError
from hilir.serving.experiment.experiment_metrics import Metric, parse_metric
from hilir.serving.experiment.readings import LEAST_USERS, Reading, collect_values, read_metric
from hilir.serving.experiment.statistics.boundaries import one_sided
from hilir.serving.experiment.users import Users, find_users
from hilir.serving.outcomes.access_log import read_access_logs
from hilir.serving.outcomes.backends import open_store
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.split import CANDIDATE, STABLE, salt_of
from hilir.serving.releases.state import State
from hilir.serving.rollout.gates import ALPHA, Decision, Verdict
from hilir.serving.rollout.split_check import find_epochs

# Users of both arms at which the bounds are tightest; fixed before the data.
_PLANNED = 2000


@dataclass(frozen=True)
class Pooled:
    """A difference over all steps, candidate less stable.

    Attributes:
        difference: the mean of the steps' differences, weighted by their users.
        error: its standard error; infinite where no step has one.
        users: users of the steps that have one.
    """

    difference: float
    error: float
    users: int


class MetricGuardrail:
    """Rolls back if a metric is certainly worse by more than its margin; may be looked at any time.

    Args:
        text: the metric, as `hilir experiment start --guardrail` takes it.
        access_log: the gateway's.
        outcomes: where the outcomes are.

    Raises:
        ServingConfigError: the metric cannot be read, or is a quantile, which cannot be pooled.
    """

    def __init__(self, text: str, access_log: str, outcomes: str) -> None:
        self._metric = parse_metric(text)
        if self._metric.kind == "quantile":
            raise ServingConfigError(
                f"{text!r}: quantiles of different steps cannot be pooled; --max-latency-ratio compares latencies"
            )
        self._access_log, self._outcomes = access_log, outcomes

    def judge(self, state: State, rollout: Rollout, over: bool) -> Verdict | None:
        """See `Gate`; users count when `window_seconds` have passed since their first request."""
        del over
        if not rollout.percent:
            return None
        users = self._find_users(state, rollout)
        closed = int((users.first + rollout.gates.window_seconds <= time.time()).sum())
        name = f"guardrail {self._metric.text}"
        counts = [int((users.candidate[:closed] == arm).sum()) for arm in (True, False)]
        if min(counts) < LEAST_USERS:
            fact = (
                f"{counts[0]:,} users of the candidate and {counts[1]:,} of stable count yet, each needs {LEAST_USERS}"
            )
            return Verdict(name, Decision.WAIT, fact)
        begins = [datetime.fromisoformat(at).timestamp() for at, _ in find_epochs(state, rollout)]
        shares = [percent / 100 for _, percent in find_epochs(state, rollout)]
        found = pool(_read_epochs(self._metric, users, closed, begins, shares, rollout.gates.window_seconds))
        return judge_pooled(name, self._metric, found)

    def _find_users(self, state: State, rollout: Rollout) -> Users:
        """The users of the rollout's steps, by the release's own hash."""
        epochs = find_epochs(state, rollout)
        begin = datetime.fromisoformat(epochs[0][0]).timestamp()
        salt = salt_of(state.model, rollout.version)
        log = read_access_logs(
            [self._access_log],
            state.model,
            lambda each: each.time >= begin and bool(each.user) and each.label in (STABLE, CANDIDATE),
        )
        requests = {
            key: replace(each, experiment=salt, experiment_user=each.user) for key, each in log.requests.items()
        }
        names = sorted(self._metric.sources)
        store = open_store(self._outcomes)
        try:
            outcomes = store.read(names)
        finally:
            store.close()
        experiment = Experiment(
            id=salt,
            name="rollout",
            stable=state.stable or 1,
            candidate=rollout.version,
            percent=50,
            metrics=(self._metric.text,),
            planned=_PLANNED,
            window_seconds=rollout.gates.window_seconds,
        )
        return find_users(experiment, requests, outcomes, names)


def pool(readings: Sequence[Reading]) -> Pooled:
    """Returns the steps' differences together; a step whose error cannot be known yet is left out."""
    known = [each for each in readings if math.isfinite(each.error) and math.isfinite(each.low)]
    users = sum(each.users for each in known)
    if not users:
        return Pooled(0.0, math.inf, 0)
    difference = sum(each.users * each.difference for each in known) / users
    error = math.sqrt(sum((each.users * each.error) ** 2 for each in known)) / users
    return Pooled(difference, error, users)


def judge_pooled(name: str, metric: Metric, found: Pooled) -> Verdict:
    """Returns the verdict on a pooled difference: one-sided, with the chance `ALPHA` of ever rolling back wrongly."""
    if not found.users:
        return Verdict(name, Decision.WAIT, "no step has enough users with and without it yet")
    low, high = one_sided(found.difference, found.error, found.users, _PLANNED, ALPHA)
    fact = f"{found.difference:+.3g}, between {low:+.3g} and {high:+.3g} ({found.users:,} users)"
    crossed = high < -metric.margin if metric.sign > 0 else low > metric.margin
    limit = f", may be worse by {metric.margin:g}"
    return Verdict(name, Decision.ROLL_BACK if crossed else Decision.CONTINUE, fact + limit)


def _read_epochs(
    metric: Metric, users: Users, closed: int, begins: Sequence[float], shares: Sequence[float], window: float
) -> list[Reading]:
    """Returns a reading per step, of the users who came in it first."""
    values = collect_values(metric, users, 0.0, window)
    places = np.array([bisect.bisect_right(begins, first) - 1 for first in users.first[:closed]])
    found = []
    for number, share in enumerate(shares):
        chosen = np.flatnonzero(places == number)
        if chosen.size:
            part = type(values)(values.value[chosen], None if values.other is None else values.other[chosen])
            found.append(read_metric(metric, part, users.candidate[chosen], _PLANNED, share, 2 * ALPHA))
    return found
