"""Model servers that follow `models.config`: TensorFlow Serving and ours alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hilir.serving.errors import TargetError
from hilir.serving.release.models_config import write_model_config
from hilir.serving.release.targets import Observation
from hilir.serving.release.targets.rest import RestCaller, find_replicas
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.split import CANDIDATE, STABLE
from hilir.serving.releases.state import State

# From best to worst: a version is what it is on the worst replica.
_STATES = ("AVAILABLE", "LOADING", "START", "UNLOADING", "END", "unknown")
# Of one replica: version states, load errors, labels.
Seen = tuple[dict[int, str], dict[int, str], dict[str, int]]


class TfServing:
    """All replicas of the model servers.

    Args:
        store: where the states are, and where the configuration goes.
        model: the model that is observed.
        servers: REST addresses; each name may stand for several replicas.
        caller: makes the calls.
    """

    name = "model servers"

    def __init__(self, store: Store, model: str, servers: Sequence[str], caller: RestCaller) -> None:
        self._store = store
        self._model = model
        self._servers = tuple(servers)
        self._caller = caller

    def replicas(self) -> list[str]:
        """Returns the REST address of each replica."""
        return [replica for server in self._servers for replica in find_replicas(server)]

    def observe(self) -> Observation:
        """Asks every replica for the model's versions and what its labels point to.

        TensorFlow Serving has no call for labels: the metadata under a label name the version it stands for.
        """
        seen: list[Seen] = []
        silent = []
        for replica in self.replicas():
            try:
                seen.append((*self._versions(replica), self._labels(replica)))
            except TargetError as error:
                silent.append(str(error))
        return _combine(seen, tuple(silent))

    def apply(self, state: State) -> None:
        """Writes the configuration, which the servers poll."""
        write_model_config(self._store, state)

    def _versions(self, replica: str) -> tuple[dict[int, str], dict[int, str]]:
        status, body = self._caller.call("GET", f"{replica}/v1/models/{self._model}")
        if status == 404:
            return {}, {}
        if status != 200 or not isinstance(body, dict):
            raise TargetError(f"{replica}: answered {status} to a status request, with {str(body)[:200]}")
        states, errors = {}, {}
        for entry in body["model_version_status"]:
            number = int(entry["version"])
            states[number] = str(entry["state"])
            if entry["status"]["error_code"] != "OK":
                errors[number] = str(entry["status"]["error_message"])
        return states, errors

    def _labels(self, replica: str) -> dict[str, int]:
        found = {}
        for label in (STABLE, CANDIDATE):
            status, body = self._caller.call("GET", f"{replica}/v1/models/{self._model}/labels/{label}/metadata")
            if status == 200 and isinstance(body, dict):
                found[label] = int(body["model_spec"]["version"])
        return found


class UnstartedServers:
    """Servers that nobody has started yet: there is nothing to see, and they will find their configuration.

    Args:
        store: where the states are, and where the configuration goes.
    """

    name = "model servers"

    def __init__(self, store: Store) -> None:
        self._store = store

    def observe(self) -> Observation:
        """Sees nothing."""
        return Observation()

    def apply(self, state: State) -> None:
        """Writes the configuration that the servers will start with."""
        write_model_config(self._store, state)


def _combine(seen: list[Seen], silent: tuple[str, ...]) -> Observation:
    if not seen:
        return Observation(replicas=len(silent), silent=silent)
    numbers = {number for states, _, _ in seen for number in states}
    versions = {number: max((states.get(number, "unknown") for states, _, _ in seen), key=_rank) for number in numbers}
    errors = {number: message for _, messages, _ in seen for number, message in messages.items()}
    agreed: Any = set.intersection(*(set(found.items()) for _, _, found in seen))
    return Observation(versions, errors, dict(agreed), replicas=len(seen) + len(silent), silent=silent)


def _rank(state: str) -> int:
    return _STATES.index(state) if state in _STATES else len(_STATES)
