"""Experiments that are made up: users with requests and outcomes, as the logs would have them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hilir.serving.experiment.analysis import Analysis, analyse
from hilir.serving.experiment.experiment_metrics import parse_metrics
from hilir.serving.experiment.users import Users, find_users
from hilir.serving.outcomes.access_log import Request
from hilir.serving.outcomes.outcome_records import Outcome
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.split import CANDIDATE, choose_label, hash_key

START = 1_800_000_000.0
HOUR, DAY = 3600.0, 86400.0


def experiment(*metrics: str, **more) -> Experiment:
    values = {"id": "colour-3", "name": "colour", "stable": 1, "candidate": 2, "percent": 50, "planned": 2000}
    values |= {"metrics": metrics or ("proportion:bought",), "window_seconds": HOUR, "least_days": 0}
    return Experiment(**values | more)


@dataclass
class People:
    """Collects what happened."""

    experiment: Experiment
    requests: dict[str, Request] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def label(self, key: str) -> str:
        return choose_label(self.experiment.id, key, self.experiment.percent)

    def ask(
        self, key: str | None, at: float, *, label: str = "", failed: bool = False, latency_ms: float = 10.0
    ) -> str:
        """A request; returns its id."""
        chosen = label or choose_label(self.experiment.id, key, self.experiment.percent)
        hashed = "" if key is None else f"{hash_key(self.experiment.id, key):08x}"
        version = str(self.experiment.candidate if chosen == CANDIDATE else self.experiment.stable)
        found = f"r-{len(self.requests)}"
        self.requests[found] = Request(
            found, START + at, "m", version, chosen, "", self.experiment.id, hashed, failed, latency_ms
        )
        return found

    def tell(
        self, name: str, value: float | str, at: float, *, request: str = "", user: str = "", row: int = 0
    ) -> None:
        when = START + at
        event = str(len(self.outcomes))
        self.outcomes.append(Outcome(request, row, user, name, event, value, when, True, when))

    def find(self, **more) -> Users:
        metrics = parse_metrics(self.experiment.metrics + self.experiment.guardrails)
        names = sorted({name for metric in metrics for name in metric.sources})
        return find_users(self.experiment, self.requests, self.outcomes, names, **more)

    def analyse(self, now: float = 30 * DAY) -> Analysis:
        return analyse(self.experiment, self.find(), START, START + now)


def crowd(
    of: Experiment, count: int, act: Callable[[People, str, bool, float, np.random.Generator], None], seed: int = 0
) -> People:
    """Users who come one a minute; `act(people, key, is_candidate, at, rng)` is what each of them does."""
    people, rng = People(of), np.random.default_rng(seed)
    for number in range(count):
        key = f"user-{number}"
        act(people, key, people.label(key) == CANDIDATE, number * 60.0, rng)
    return people
