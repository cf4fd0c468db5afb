"""Starting and stopping an experiment: the state is stored first, then servers and gateway follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import ValidationError

from hilir.serving.errors import ReleaseRefused, ServingConfigError
from hilir.serving.experiment import experiment_transitions
from hilir.serving.experiment.experiment_metrics import parse_metrics
from hilir.serving.release import verbs
from hilir.serving.release.transaction import Transaction
from hilir.serving.releases.experiments import Experiment
from hilir.serving.releases.state import State


@dataclass(frozen=True)
class Definition:
    """What an experiment is started with; the meaning is that of `Experiment`."""

    name: str
    candidate: int
    percent: float
    metrics: tuple[str, ...]
    guardrails: tuple[str, ...]
    planned: int
    alpha: float
    window_seconds: float
    least_days: float

    def define(self, state: State) -> Experiment:
        """Returns the experiment, with an id that no other one of the model has.

        Raises:
            ServingConfigError: a metric or a number is wrong.
        """
        parse_metrics(self.metrics + self.guardrails)
        if abs(self.percent * 100 - round(self.percent * 100)) > 1e-9:
            raise ServingConfigError(f"--percent {self.percent:g}: give it with at most two decimals")
        try:
            return Experiment(id=f"{self.name}-{state.revision}", stable=state.stable or 1, **vars(self))
        except ValidationError as error:
            first = error.errors()[0]
            raise ServingConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def start(transaction: Transaction, definition: Definition) -> State:
    """Stages the candidate and gives it its share of the users.

    Raises:
        ReleaseRefused: another trial or experiment runs, there is nothing to compare with, or there is no gateway.
        ServingConfigError: a metric or a number is wrong.
        TargetError: servers or gateway do not answer or do not follow.
    """
    before = transaction.read()
    experiment = definition.define(before)
    experiment_transitions.require_free(before, definition.candidate)
    if before.experiment is not None:
        experiment_transitions.start(before, experiment)
    if definition.candidate == before.stable:
        raise ReleaseRefused(f"{before.model}: version {before.stable} is stable already; choose another candidate")
    if transaction.gateway is None:
        raise ReleaseRefused(
            f"{before.model}: there is no gateway to split the users; start one with 'hilir gateway run'"
        )
    transaction.require_answer(transaction.gateway)
    state = verbs.stage(transaction, definition.candidate)
    after = experiment_transitions.start(state, experiment)
    state = _named(transaction, experiment).save(state, after, "experiment-start", definition.candidate)
    transaction.settle(state, transaction.servers, transaction.gateway)
    return state


def stop(transaction: Transaction) -> State:
    """Gives all of the traffic back to stable, at the gateway first; the candidate stays staged.

    Raises:
        TargetError: servers or gateway do not follow.
    """
    before = transaction.read()
    named = transaction if before.experiment is None else _named(transaction, before.experiment)
    state = named.save(before, experiment_transitions.stop(before), "experiment-stop", before.candidate)
    transaction.settle(state, transaction.gateway, transaction.servers, patient=True)
    return state


def _named(transaction: Transaction, experiment: Experiment) -> Transaction:
    """The history has the experiment's name with the reason."""
    why = f"{experiment.name}: {transaction.why}" if transaction.why else experiment.name
    return replace(transaction, why=why)
