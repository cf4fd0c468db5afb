"""Which request an outcome is about, and what does not fit: unknown ids, rows that no request had, wrong clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hilir.serving.outcomes.access_log import Request
from hilir.serving.outcomes.outcome_records import SKEW_SECONDS, Outcome


@dataclass(frozen=True, slots=True)
class Match:
    """An outcome with its request.

    Attributes:
        outcome: what was sent.
        request: whose prediction it is about.
        time: when it happened, not before the request.
    """

    outcome: Outcome
    request: Request
    time: float


@dataclass
class Joined:
    """The outcomes of predictions with their requests, and those without.

    Attributes:
        matches: the pairs.
        unknown: outcomes of ids that no log has.
        unknown_rows: outcomes of rows that their request did not have.
        early: outcomes that happened before their request by more than clocks may differ.
        replaced: values that gave way to a later one.
    """

    matches: list[Match] = field(default_factory=list)
    unknown: int = 0
    unknown_rows: int = 0
    early: int = 0
    replaced: int = 0


def join_outcomes(
    outcomes: Sequence[Outcome],
    requests: Mapping[str, Request],
    rows: Mapping[tuple[str, str], int | None] | None = None,
) -> Joined:
    """Joins the outcomes of predictions with their requests; those of users are left out.

    Args:
        outcomes: of any model.
        requests: by id.
        rows: of the requests that were logged, by id and version, as far as they are known.
    """
    joined = Joined()
    for outcome in outcomes:
        if not outcome.request:
            continue
        joined.replaced += outcome.writes - 1
        request = requests.get(outcome.request)
        if request is None:
            joined.unknown += 1
            continue
        count = (rows or {}).get((request.id, request.version))
        if count is not None and outcome.row >= count:
            joined.unknown_rows += 1
        elif outcome.time < request.time - SKEW_SECONDS:
            joined.early += 1
        else:
            joined.matches.append(Match(outcome, request, max(outcome.time, request.time)))
    return joined
