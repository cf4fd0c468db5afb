"""The users of an experiment with all that is known of them: who they are, when they came, what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hilir.serving.errors import ServingConfigError
from hilir.serving.experiment.experiment_metrics import ERRORS, LATENCY, LOGGED, REQUESTS
from hilir.serving.outcomes.access_log import Request
from hilir.serving.outcomes.join import join_outcomes
from hilir.serving.outcomes.outcome_records import SKEW_SECONDS, Outcome
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.split import CANDIDATE, hash_key

_ARMS = (False, True)
"""Whether an arm is the candidate's."""


@dataclass(frozen=True)
class Occurrences:
    """Something that users did, in arrays of one length.

    Attributes:
        user: the users' places.
        offset: seconds since the user's first request; negative before it.
        value: what counts.
    """

    user: np.ndarray
    offset: np.ndarray
    value: np.ndarray

    def within(self, low: float, high: float) -> Occurrences:
        """Returns those with an offset from `low` to below `high`."""
        kept = (self.offset >= low) & (self.offset < high)
        return Occurrences(self.user[kept], self.offset[kept], self.value[kept])


@dataclass(frozen=True)
class Coverage:
    """How much of the traffic the figures rest on.

    Attributes:
        requests: of the experiment's two arms, with a user.
        keyless: requests without a user's key, by arm: they are part of no figure.
        keyless_failed: those of them that failed.
        with_outcome: requests of which at least one outcome came.
        logged: requests that are in the request log; None without one.
        unknown, unknown_rows, early: outcomes that no request was found for (`join.Joined`).
        late: outcomes after their user's window.
        unknown_users: outcomes of users that did not come.
        replaced: values that gave way to a later one.
        crossed: users that were in both arms; they count in the first.
        repeated, torn: of the access log.
    """

    requests: int
    keyless: tuple[int, ...]
    keyless_failed: tuple[int, ...]
    with_outcome: int
    logged: int | None
    unknown: int
    unknown_rows: int
    early: int
    late: int
    unknown_users: int
    replaced: int
    crossed: int
    repeated: int
    torn: int


@dataclass(frozen=True)
class Users:
    """The users in the order of their first request.

    Attributes:
        first: seconds since 1970 of the first request.
        candidate: whether that was in the candidate's arm.
        done: by name, what they did; `requests`, `errors` and `latency_ms` of the first request, too.
        coverage: what the figures rest on.
    """

    first: np.ndarray
    candidate: np.ndarray
    done: Mapping[str, Occurrences]
    coverage: Coverage


def find_users(
    experiment: Experiment,
    requests: Mapping[str, Request],
    outcomes: Sequence[Outcome],
    names: Sequence[str],
    rows: Mapping[tuple[str, str], int | None] | None = None,
    repeated: int = 0,
    torn: int = 0,
) -> Users:
    """Returns the users of an experiment.

    Args:
        experiment: which one.
        requests: of its model, in the order in which they came.
        outcomes: with the names that its metrics need.
        names: those names.
        rows: of the requests that were logged; None without a request log.
        repeated, torn: of the access log.

    Raises:
        ServingConfigError: an outcome that a metric needs is no number.
    """
    mine = [each for each in requests.values() if each.experiment == experiment.id]
    keyed = [each for each in mine if each.experiment_user]
    place: dict[str, int] = {}
    firsts: list[Request] = []
    crossed = set()
    for each in keyed:
        user = place.setdefault(each.experiment_user, len(firsts))
        if user == len(firsts):
            firsts.append(each)
        elif each.label != firsts[user].label:
            crossed.add(user)
    first = np.array([each.time for each in firsts], float)
    joined = join_outcomes(outcomes, requests, rows)
    matches = [each for each in joined.matches if each.request.experiment == experiment.id]
    matches = [each for each in matches if each.request.experiment_user]
    of_users, unknown_users = _find_outcomes_of_users(experiment, outcomes, place)
    pairs = [(each.outcome, place[each.request.experiment_user], each.time) for each in matches] + of_users
    done = _logged(keyed, place, first) | _observed(pairs, names, first)
    late = sum(time > first[user] + experiment.window_seconds for _, user, time in pairs)
    keyless = [
        [each for each in mine if not each.experiment_user and (each.label == CANDIDATE) == arm] for arm in _ARMS
    ]
    return Users(
        first,
        np.array([each.label == CANDIDATE for each in firsts], bool),
        done,
        Coverage(
            requests=len(keyed),
            keyless=tuple(len(arm) for arm in keyless),
            keyless_failed=tuple(sum(each.failed for each in arm) for arm in keyless),
            with_outcome=len({each.request.id for each in matches}),
            logged=None if rows is None else sum((each.id, each.version) in rows for each in keyed),
            unknown=joined.unknown,
            unknown_rows=joined.unknown_rows,
            early=joined.early,
            late=int(late),
            unknown_users=unknown_users,
            replaced=sum(each.writes - 1 for each in outcomes),
            crossed=len(crossed),
            repeated=repeated,
            torn=torn,
        ),
    )


def _find_outcomes_of_users(
    experiment: Experiment, outcomes: Sequence[Outcome], place: Mapping[str, int]
) -> tuple[list[tuple[Outcome, int, float]], int]:
    """Returns the outcomes that name a user, and how many name one that did not come."""
    found, unknown = [], 0
    hashes: dict[str, str] = {}
    for outcome in outcomes:
        if not outcome.user:
            continue
        key = hashes.setdefault(outcome.user, f"{hash_key(experiment.id, outcome.user):08x}")
        if key in place:
            found.append((outcome, place[key], outcome.time))
        else:
            unknown += 1
    return found, unknown


def _logged(keyed: Sequence[Request], place: Mapping[str, int], first: np.ndarray) -> dict[str, Occurrences]:
    """Returns what the access log itself says of users."""
    user = np.array([place[each.experiment_user] for each in keyed], int)
    offset = np.array([each.time for each in keyed], float) - first[user]
    failed = np.array([each.failed for each in keyed], float)
    _, begins = np.unique(user, return_index=True)
    latency = np.array([keyed[index].latency_ms for index in begins], float)
    return {
        REQUESTS: Occurrences(user, offset, np.ones(user.size)),
        ERRORS: Occurrences(user, offset, failed),
        LATENCY: Occurrences(user[begins], np.zeros(begins.size), latency),
    }


def _observed(
    pairs: Sequence[tuple[Outcome, int, float]], names: Sequence[str], first: np.ndarray
) -> dict[str, Occurrences]:
    """Returns the outcomes by name."""
    found = {}
    for name in set(names) - set(LOGGED):
        mine = [pair for pair in pairs if pair[0].name == name]
        classes = next((each.value for each, _, _ in mine if isinstance(each.value, str)), None)
        if classes is not None:
            raise ServingConfigError(f"the outcome {name} has the value {classes!r}; a metric needs numbers")
        user = np.array([user for _, user, _ in mine], int)
        offset = np.array([time for _, _, time in mine], float) - first[user]
        # What a clock that is slow puts before the first request happened with it: users do nothing before they come,
        # other than what covariates tell, which are older than that.
        offset = np.where((offset < 0) & (offset >= -SKEW_SECONDS), 0.0, offset)
        value = np.array([each.value for each, _, _ in mine], float)
        found[name] = Occurrences(user, offset, value)
    return found
