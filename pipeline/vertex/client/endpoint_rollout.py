"""A rollout on a Vertex AI endpoint: its deployed versions and its traffic split, as targets of a release.

The endpoint counts nothing per deployed model that a gate could read within seconds; so errors and latency are not
compared here. The state is a file on this machine, as it is for servers of one's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.errors import VertexError
from hilir.components.vertex_pusher.endpoint import Endpoint, check_alone, require
from hilir.components.vertex_pusher.push import split_traffic
from hilir.components.vertex_pusher.settings import Target
from hilir.pipeline.errors import ConfigError
from hilir.serving.errors import ReleaseRefused
from hilir.serving.release import transitions
from hilir.serving.release.targets import Observation
from hilir.serving.release.transaction import Transaction
from hilir.serving.releases.actor import find_actor
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.rollout_plan import Gates, Rollout
from hilir.serving.releases.state import State
from hilir.serving.rollout.engine import Runner
from hilir.serving.rollout.rollout_factory import make_gates

GATES = ("guardrail",)
"""The gates that there are on an endpoint."""
REFUSED = ("errors", "latency", "drift", "shadow")


class EndpointVersions:
    """What is deployed on an endpoint; deploying is the push's work.

    Args:
        read: reads the endpoint.
        numbers: the versions that matter.
    """

    name = "deployed versions"

    def __init__(self, read: Callable[[], Endpoint], numbers: tuple[int, ...]) -> None:
        self._read, self._numbers = read, numbers

    def observe(self) -> Observation:
        """Reads which of the versions are deployed."""
        try:
            deployed = self._read().deployed
        except VertexError as error:
            return Observation(silent=(str(error),))
        return Observation(versions={number: "AVAILABLE" for number in self._numbers if number in deployed})

    def apply(self, state: State) -> None:
        """Does nothing: versions are deployed by a push, and stay until a later one removes them."""


class EndpointTraffic:
    """The traffic split of an endpoint, in whole percent.

    Args:
        read: reads the endpoint.
        split: changes its traffic.
    """

    name = "endpoint"

    def __init__(self, read: Callable[[], Endpoint], split: Callable[[dict[int, int]], object]) -> None:
        self._read, self._split = read, split

    def observe(self) -> Observation:
        """Reads the split."""
        try:
            return Observation(split={number: float(share) for number, share in self._read().shares.items()})
        except VertexError as error:
            return Observation(silent=(str(error),))

    def apply(self, state: State) -> None:
        """Gives the versions their shares, if they do not have them."""
        wanted = {number: round(share) for number, share in state.traffic.items()}
        if wanted != dict(self._read().shares):
            self._split(wanted)


def make_plan(version: int, steps: tuple[float, ...], hold_seconds: float, guardrails: tuple[str, ...]) -> Rollout:
    """Returns the plan of a rollout on an endpoint.

    Raises:
        ConfigError: a share is no whole number of percent, as Vertex AI wants it.
    """
    broken = [step for step in steps if step != round(step)]
    if broken:
        raise ConfigError([f"--steps: {broken[0]:g} % cannot be given on Vertex AI; write whole percentages"])
    gates = Gates(errors=False, max_latency_ratio=None, drift=None, min_requests=0, guardrails=guardrails)
    return Rollout(version=version, steps=steps, hold_seconds=hold_seconds, gates=gates)


def refuse_gates(names: tuple[str, ...]) -> None:
    """Refuses gates that an endpoint has no figures for.

    Raises:
        ConfigError: one of them is asked for.
    """
    faults = [
        f"--gate {name}: Vertex AI has no {name} per deployed version that could be compared within a step; use "
        "--guardrail COMMAND with a query of Cloud Monitoring or BigQuery, or serve with 'hilir gateway run'"
        for name in names
        if name in REFUSED
    ]
    if faults:
        raise ConfigError(faults)


def open_endpoint_runner(
    connection: Connection,
    target: Target,
    folder: Path,
    plan: Rollout,
    echo: Callable[[str], None],
    every: float = 1.0,
    approval: Literal["none", "required"] = "none",
    notify: Callable[[State], None] = lambda _state: None,
) -> Runner:
    """Returns what carries a rollout out on an endpoint.

    Args:
        connection: to Vertex AI.
        target: the model and its endpoint.
        folder: where the state is kept, as `<folder>/<model>/release.json`.
        plan: the rollout.
        echo: prints a line.
        every: seconds between two looks at the guardrails.
        approval: whether the version needs one; `hilir release approve` gives it, with this folder as its root.
        notify: hands over what was stored.

    Raises:
        ReleaseRefused: the version is not deployed, or several others share the traffic.
        VertexError: the endpoint cannot be read, or serves another model too.
    """

    def read() -> Endpoint:
        return require(connection, target)

    endpoint = read()
    check_alone(endpoint, target)
    (folder / target.model).mkdir(parents=True, exist_ok=True)
    store = Store(folder)
    stored = store.read(target.model)
    state = stored if stored.rollout is not None else adopt_endpoint(stored, endpoint, plan.version)
    transaction = Transaction(
        store=store,
        model=target.model,
        servers=EndpointVersions(read, tuple(sorted({*state.labels.values(), plan.version}))),
        gateway=EndpointTraffic(read, lambda shares: split_traffic(connection, target, shares)),
        replay_golden=lambda _version: 0,
        echo=echo,
        actor=find_actor(),
        notify=notify,
    )
    state = transaction.save(stored, state, "vertex", None, f"as on the endpoint {target.endpoint}")
    transaction.save(state, transitions.require_approval(state, approval), f"approval-{approval}", None, "")

    def stage(version: int) -> State:
        before = transaction.read()
        return transaction.save(before, transitions.stage(before, version), "stage", version)

    return replace(Runner(transaction, stage=stage, count=None, gates=tuple(make_gates(plan))), every=every)


def adopt_endpoint(state: State, endpoint: Endpoint, version: int) -> State:
    """Returns the state with what the endpoint serves now as stable, and the version ready to be staged.

    Raises:
        ReleaseRefused: the version is not deployed, or several others share the traffic.
    """
    if version not in endpoint.deployed:
        there = ", ".join(f"v{number}" for number in endpoint.newest_first) or "none"
        raise ReleaseRefused(
            f"{state.model}: version {version} is not deployed; there are: {there}; "
            "push it with vertex.push.traffic: 0 first"
        )
    serving = [number for number in endpoint.shares if number != version] or list(endpoint.shares)
    if len(serving) != 1 or endpoint.shares.get(version, 0) not in (0, 100):
        shares = ", ".join(f"v{number} {share} %" for number, share in sorted(endpoint.shares.items())) or "no version"
        raise ReleaseRefused(
            f"{state.model}: the traffic goes to {shares}; a rollout begins with one version that has all of it: "
            "type 'hilir vertex traffic CONFIG VERSION=100'"
        )
    (stable,) = serving
    versions = {}
    for number in sorted({stable, version}):
        ready = transitions.add_loaded(state, number, endpoint.deployed[number])
        versions[number] = transitions.verify(ready, number).versions[number]
    content = state.to_json() | {
        "versions": {str(number): each.model_dump(mode="json") for number, each in versions.items()},
        "labels": {"stable": stable},
        "split": {"stable": 100.0},
    }
    return State.model_validate(content)
