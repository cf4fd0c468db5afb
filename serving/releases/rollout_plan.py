"""A rollout as it is stored in the release's state: its plan, and where it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Counts(_Part):
    """Requests of an arm that a gateway has counted.

    Attributes:
        requests: all that were answered.
        errors: those whose answer is an error of HTTP or gRPC.
        latency: answers by upper edge of the bucket of their duration in milliseconds; empty buckets are left out.
    """

    requests: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)
    latency: dict[float, int] = {}


class Gates(_Part):
    """What has to hold before the next step.

    Attributes:
        errors: compare the errors of both versions.
        max_latency_ratio: largest ratio of the candidate's 99th percentile to stable's; None: not compared.
        min_requests: the candidate's requests in a step before it may end.
        drift: the level of prediction drift that rolls back; None: not compared.
        max_flips: largest share of copied requests that the candidate may answer with another class.
        request_log: the prefix of the servers' request logs, or several.
        guardrails: commands that decide by their exit code, and metrics of users.
        window_seconds: outcomes count until so long after a user's first request.
    """

    errors: bool = True
    max_latency_ratio: float | None = Field(default=1.5, gt=1)
    min_requests: int = Field(default=100, ge=0)
    drift: Literal["warn", "alarm"] | None = "alarm"
    max_flips: float = Field(default=0.1, gt=0, le=1)
    request_log: tuple[str, ...] = ()
    guardrails: tuple[str, ...] = ()
    window_seconds: float = Field(default=600.0, gt=0)


class Rollout(_Part):
    """A rollout in progress; each step is an epoch of one share.

    Attributes:
        version: the candidate.
        steps: its percent of the traffic, ascending; a first step of 0 copies requests to it.
        hold_seconds: least duration of a step.
        shadow: percent of stable's requests that are copied in a step of 0 %.
        gates: what has to hold before the next step.
        step: the present one.
        since: when it began.
        baseline: by gateway and arm (`stable`, `candidate`, `shadow`), what was counted before the present step.
        evidence: logarithms of the error gate's bets after all earlier steps.
    """

    version: Annotated[int, Field(ge=1, lt=2**63)]
    steps: tuple[Annotated[float, Field(ge=0, le=100)], ...] = Field(min_length=1)
    hold_seconds: float = Field(ge=0)
    shadow: float = Field(default=0.0, ge=0, le=100)
    gates: Gates = Gates()
    step: int = Field(default=0, ge=0)
    since: str = ""
    baseline: dict[str, dict[str, Counts]] = {}
    evidence: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Rollout:
        if any(later <= earlier for earlier, later in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError(f"the steps {list(self.steps)} do not ascend")
        if self.step >= len(self.steps):
            raise ValueError(f"step {self.step} is not one of {len(self.steps)}")
        return self

    @property
    def percent(self) -> float:
        """The candidate's share in the present step."""
        return self.steps[self.step]

    @property
    def is_last(self) -> bool:
        """Whether no step follows."""
        return self.step + 1 == len(self.steps)
