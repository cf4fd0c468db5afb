"""The state of a model's release, as it is stored: immutable, and checked whenever one is made."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hilir.serving.releases.experiments import Experiment, Number
from hilir.serving.releases.rollout_plan import Rollout
from hilir.serving.releases.split import CANDIDATE, STABLE


class Version(BaseModel):
    """A version that has been staged at least once.

    Attributes:
        manifest: SHA-256 of its manifest.json when it was staged.
        loaded: servers are to keep it in memory.
        verified: loaded everywhere, it has answered its golden requests.
        other_inputs: its inputs differ from what was stable's, and that was accepted.
        approved_by: the actor who approved that it gets traffic; empty until somebody has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: str
    loaded: bool = True
    verified: bool = False
    other_inputs: bool = False
    approved_by: str = ""


class Event(BaseModel):
    """What a verb did, when, by whom and why; labels and traffic are those afterwards.

    Attributes:
        actor: user@host, or the name of a token; empty in files of old releases of hilir.
        percent: the candidate's share of the split.
        traffic: percent of the requests without a label by version; None in files of old releases of hilir.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str
    verb: str
    version: int | None
    stable: int | None
    candidate: int | None
    percent: float
    traffic: dict[Number, float] | None = None
    why: str = ""
    actor: str = ""


class State(BaseModel):
    """All that is known of a model's release; `release.json` is this as JSON.

    Attributes:
        revision: counts the changes of the file, for optimistic locking.
        served_root: the serving root as the servers see it; empty where that is the folder that the state is in, which
            may be moved.
        labels: `stable` and `candidate`, as far as they exist.
        split: percent of the traffic by label; sums to 100 as soon as there is a stable version.
        shadow: percent of stable's requests that the candidate gets a copy of.
        experiments: the one that runs, and those that are over.
        rollout: the rollout in progress.
        approval: whether a version needs the approval of another actor before it gets traffic.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal[1] = Field(default=1, alias="schema")
    model: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    revision: int = 0
    served_root: str = ""
    versions: dict[Number, Version] = {}
    labels: dict[Literal["stable", "candidate"], Number] = {}
    split: dict[Literal["stable", "candidate"], float] = {}
    shadow: float = Field(default=0.0, ge=0, le=100)
    experiments: tuple[Experiment, ...] = ()
    rollout: Rollout | None = None
    approval: Literal["none", "required"] = "none"
    history: tuple[Event, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> State:
        for label, number in self.labels.items():
            if number not in self.versions or not self.versions[number].loaded:
                raise ValueError(f"label {label} points to version {number}, which is not loaded")
        # Written so that NaN, which compares with nothing, is refused too.
        if not all(share >= 0 for share in self.split.values()) or self.split.keys() - self.labels.keys():
            raise ValueError(f"split {self.split} has a negative share, or a label that points to no version")
        if (self.split or self.stable is not None) and not abs(sum(self.split.values()) - 100) <= 1e-6:
            raise ValueError(f"split {self.split} sums to {sum(self.split.values()):g}, not to 100")
        if self.rollout is not None and self.rollout.version != self.labels.get("candidate"):
            raise ValueError(f"version {self.rollout.version} is rolled out and is not the candidate")
        return self

    @property
    def stable(self) -> int | None:
        """The version that everybody gets who is not part of a trial."""
        return self.labels.get("stable")

    @property
    def candidate(self) -> int | None:
        """The version on trial."""
        return self.labels.get("candidate")

    @property
    def percent(self) -> float:
        """The candidate's share of the traffic."""
        return self.split.get("candidate", 0.0)

    @property
    def experiment(self) -> Experiment | None:
        """The experiment that runs."""
        return next((each for each in self.experiments if not each.ended_by), None)

    @property
    def loaded(self) -> tuple[int, ...]:
        """The versions that servers are to have in memory, ascending."""
        return tuple(sorted(number for number, version in self.versions.items() if version.loaded))

    @property
    def traffic(self) -> dict[int, float]:
        """Percent of the requests without a label that each version is to get.

        Until a version is promoted nothing splits the traffic: all of it goes to the highest loaded version, by
        TensorFlow Serving's rule. Empty while nothing is loaded, since then the newest version on disk is served.
        """
        if self.split:
            return {self.labels[label]: share for label, share in self.split.items() if share > 0}
        return {self.loaded[-1]: 100.0} if self.loaded else {}

    @property
    def served_labels(self) -> dict[str, int]:
        """The labels that servers are to know.

        Without a candidate its label follows stable, so that whoever asks for it is never turned away.
        """
        if self.stable is None:
            return {str(label): number for label, number in self.labels.items()}
        return {STABLE: self.stable, CANDIDATE: self.candidate or self.stable}

    def to_json(self) -> dict[str, Any]:
        """Returns what `State.model_validate` reads."""
        return self.model_dump(mode="json", by_alias=True)


def same_release(one: State, other: State) -> bool:
    """Tells whether two states differ in nothing but revision and history."""
    return one.model_copy(update={"revision": 0, "history": ()}) == other.model_copy(
        update={"revision": 0, "history": ()}
    )
