"""An experiment as the release state has it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# What a server can number a version with.
Number = Annotated[int, Field(ge=1, lt=2**63)]


class Experiment(BaseModel):
    """An experiment: two arms with frozen shares, while it runs and when it is over.

    Attributes:
        id: salt of the assignment; no other experiment of the model has it.
        name: what people call it.
        stable, candidate: the versions of the two arms.
        percent: the candidate's share of the users.
        metrics, guardrails: as `hilir experiment start` takes them.
        planned: users of both arms at which the intervals are to be tightest.
        alpha: chance of finding a difference that is not there, over all metrics together.
        window_seconds: outcomes count until so long after a user's first request.
        least_days: no version is called better before.
        started, ended: when, as in the history; empty until then.
        ended_by: the verb that ended it; empty while it runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    stable: Number
    candidate: Number
    percent: float = Field(gt=0, lt=100)
    metrics: tuple[str, ...] = Field(min_length=1)
    guardrails: tuple[str, ...] = ()
    planned: int = Field(ge=1)
    alpha: float = Field(default=0.05, gt=0, lt=1)
    window_seconds: float = Field(default=86400.0, gt=0)
    least_days: float = Field(default=7.0, ge=0)
    started: str = ""
    ended: str = ""
    ended_by: str = ""


def end_all(experiments: tuple[Experiment, ...], verb: str) -> tuple[Experiment, ...]:
    """Returns the experiments with none that runs; `verb` ended the one that did."""
    return tuple(each if each.ended_by else each.model_copy(update={"ended_by": verb}) for each in experiments)


def date_all(experiments: tuple[Experiment, ...], at: str) -> tuple[Experiment, ...]:
    """Returns the experiments with the time at which what is new of them happened."""
    return tuple(
        each.model_copy(update={"started": each.started or at, "ended": each.ended or (at if each.ended_by else "")})
        for each in experiments
    )
