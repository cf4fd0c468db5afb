"""One endpoint on Vertex AI: which versions are deployed on it, and which share of the requests each gets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.errors import NotFound, Outdated, VertexError
from hilir.components.vertex.retry import ANSWER_SECONDS, call, lookup, settle, wait_for
from hilir.components.vertex_pusher import traffic
from hilir.components.vertex_pusher.registry import Version
from hilir.components.vertex_pusher.settings import RequestLog, Target

_TRIES = 5


@dataclass(frozen=True)
class Endpoint:
    """What an endpoint is like.

    Ids of our deployed versions by number, the other models on it, the split by id, and whether requests are logged.
    """

    name: str
    etag: str
    labels: Mapping[str, str]
    deployed: Mapping[int, str]
    others: frozenset[str]
    split: Mapping[str, int]
    logs: bool

    @property
    def newest_first(self) -> list[int]:
        """Our deployed versions, descending."""
        return sorted(self.deployed, reverse=True)

    @property
    def shares(self) -> dict[int, int]:
        """Percent by version; what is not ours is left out."""
        return {number: self.split[key] for number, key in self.deployed.items() if self.split.get(key)}


def deployed_id(target: Target, number: int) -> str:
    """Returns the id of a deployed version, always the same, so that it cannot be deployed twice.

    DeployedModel.id (google/cloud/aiplatform/v1/endpoint.proto): one to ten digits.
    """
    digest = hashlib.sha256(f"{target.endpoint}/{target.model}/{number}".encode()).digest()
    return str(10**9 + int.from_bytes(digest[:8]) % (9 * 10**9))


def read(connection: Connection, target: Target) -> Endpoint | None:
    """Returns the endpoint, or None if it does not exist."""
    client, name = connection.client("endpoints"), connection.name("endpoints", target.endpoint)
    what = f"read the endpoint {target.endpoint}"
    found = lookup(
        connection, what, lambda: client.get_endpoint(request={"name": name}, retry=None, timeout=ANSWER_SECONDS)
    )
    return None if found is None else _endpoint(found, target)


def require(connection: Connection, target: Target) -> Endpoint:
    """Returns the endpoint.

    Raises:
        NotFound: it does not exist.
    """
    found = read(connection, target)
    if found is None:
        raise NotFound(
            f"there is no endpoint {target.endpoint} in {connection.region} of {connection.project}; a run with "
            f"vertex.push.enabled makes it, or vertex.push.endpoint names another"
        )
    return found


def check_alone(endpoint: Endpoint, target: Target) -> None:
    """Checks that the endpoint serves no other model: its requests would be divided between the two.

    Raises:
        VertexError: it does.
    """
    if endpoint.others:
        raise VertexError(
            f"the endpoint {target.endpoint} serves another model already ({', '.join(sorted(endpoint.others))}), and "
            f"the requests would be divided between it and {target.model}; no traffic was moved; give {target.model} "
            f"an endpoint of its own as vertex.push.endpoint, or take the other model off this one with 'gcloud ai "
            f"endpoints undeploy-model'"
        )


def ensure(connection: Connection, target: Target) -> Endpoint:
    """Returns the endpoint; makes it if there is none, and enables its request logging if that is wanted and off."""
    found = read(connection, target)
    if found is not None:
        return found if found.logs or not target.push.request_log else _log_requests(connection, target, found)
    if target.endpoint.isdigit():
        return require(connection, target)
    client = connection.client("endpoints")
    body: dict[str, Any] = {"display_name": target.endpoint, "labels": target.labels}
    if target.encryption_key:
        body["encryption_spec"] = {"kms_key_name": target.encryption_key}
    if target.push.request_log:
        body["predict_request_response_logging_config"] = _describe_log(target.push.request_log)
    what = f"make the endpoint {target.endpoint}"
    request = {"parent": connection.parent, "endpoint": body, "endpoint_id": target.endpoint}

    def find() -> Endpoint | None:
        settle(connection, "endpoints", connection.name("endpoints", target.endpoint))
        return read(connection, target)

    started = call(
        connection,
        what,
        lambda: client.create_endpoint(request=request, retry=None, timeout=ANSWER_SECONDS),
        find=find,
    )
    if not isinstance(started, Endpoint):
        wait_for(connection, "endpoints", what, started)
    return require(connection, target)


def deploy(connection: Connection, target: Target, version: Version) -> Endpoint:
    """Returns the endpoint with the version deployed; a version that was not there yet gets no traffic so far."""
    endpoint = ensure(connection, target)
    check_alone(endpoint, target)
    if version.number in endpoint.deployed:
        return endpoint
    client = connection.client("endpoints")
    what = f"deploy v{version.number} of {target.model} on the endpoint {target.endpoint}"

    def find() -> Endpoint | None:
        settle(connection, "endpoints", endpoint.name)
        now = read(connection, target)
        return now if now is not None and version.number in now.deployed else None

    started = call(
        connection,
        what,
        lambda: client.deploy_model(
            request={"endpoint": endpoint.name, "deployed_model": _describe(connection, target, version)},
            retry=None,
            timeout=ANSWER_SECONDS,
        ),
        find=find,
    )
    if not isinstance(started, Endpoint):
        wait_for(connection, "endpoints", what, started)
    return require(connection, target)


def set_traffic(
    connection: Connection,
    target: Target,
    change: Callable[[Endpoint], Mapping[str, int] | None],
    label: Callable[[Endpoint], Mapping[str, str]] = lambda _: {},
) -> Endpoint:
    """Gives the endpoint the split that `change` makes of its present state; None leaves it as it is.

    The request carries the etag of the state that was read, so that of two changes at a time one is made anew. It also
    sets the labels that `label` makes of that state; one without a value is taken away.

    Raises:
        ValueError: the split does not sum to 100; nothing was sent.
        VertexError: it was refused.
    """
    for _ in range(_TRIES):
        endpoint = require(connection, target)
        wanted = change(endpoint)
        if wanted is None:
            return endpoint
        split = traffic.check(wanted)
        changed = label(endpoint)
        kept = {key: value for key, value in endpoint.labels.items() if key not in changed}
        merged = {**kept, **{key: value for key, value in changed.items() if value}}
        present = {key: share for key, share in endpoint.split.items() if share}
        if split == present and merged == dict(endpoint.labels):
            return endpoint
        request = {
            "endpoint": {"name": endpoint.name, "traffic_split": split, "labels": merged, "etag": endpoint.etag},
            "update_mask": "trafficSplit,labels",
        }
        try:
            _update(connection, f"change the traffic of the endpoint {target.endpoint}", request)
        except Outdated:
            continue
        return require(connection, target)
    raise VertexError(
        f"could not change the traffic of {target.endpoint}: someone else changes it all the time; repeat the command"
    )


def _log_requests(connection: Connection, target: Target, endpoint: Endpoint) -> Endpoint:
    assert target.push.request_log is not None
    logged = _describe_log(target.push.request_log)
    request = {
        "endpoint": {"name": endpoint.name, "predict_request_response_logging_config": logged},
        "update_mask": "predictRequestResponseLoggingConfig",
    }
    _update(connection, f"let the endpoint {target.endpoint} log requests", request)
    return require(connection, target)


def _describe_log(log: RequestLog) -> dict[str, Any]:
    return {
        "enabled": True,
        "sampling_rate": log.sampling,
        "bigquery_destination": {"output_uri": log.table},
    }


def _update(connection: Connection, what: str, request: dict[str, Any]) -> None:
    client = connection.client("endpoints")
    call(connection, what, lambda: client.update_endpoint(request=request, retry=None, timeout=ANSWER_SECONDS))


def undeploy(connection: Connection, target: Target, number: int) -> None:
    """Takes a version without traffic off the endpoint."""
    client, endpoint = connection.client("endpoints"), require(connection, target)
    if number not in endpoint.deployed:
        return
    what = f"take v{number} of {target.model} off the endpoint {target.endpoint}"
    request = {"endpoint": endpoint.name, "deployed_model_id": endpoint.deployed[number]}
    operation = lookup(
        connection, what, lambda: client.undeploy_model(request=request, retry=None, timeout=ANSWER_SECONDS)
    )
    if operation is not None:
        wait_for(connection, "endpoints", what, operation)


def _describe(connection: Connection, target: Target, version: Version) -> dict[str, Any]:
    push = target.push
    machine: dict[str, Any] = {"machine_type": push.machine_type}
    if push.accelerator:
        machine |= {"accelerator_type": push.accelerator, "accelerator_count": push.accelerators}
    described: dict[str, Any] = {
        "id": deployed_id(target, version.number),
        "model": f"{connection.name('models', target.model)}@{version.id}",
        "display_name": f"{target.model}-v{version.number}",
        "dedicated_resources": {
            "machine_spec": machine,
            "min_replica_count": push.min_replicas,
            "max_replica_count": push.max_replicas,
        },
    }
    # A model that is served needs less than the steps that make it.
    account = push.service_account or target.service_account
    if account:
        described["service_account"] = account
    return described


def _endpoint(found: Any, target: Target) -> Endpoint:
    """Reads which deployed models are ours: those of our model, named `<model>-v<number>`."""
    deployed, others = {}, set()
    for model in found.deployed_models:
        name = re.fullmatch(rf"{re.escape(target.model)}-v([1-9]\d*)", model.display_name)
        parent = model.model.rpartition("/")[2].partition("@")[0]
        if parent != target.model:
            others.add(parent)
        elif name:
            deployed[int(name.group(1))] = str(model.id)
    return Endpoint(
        name=found.name,
        etag=found.etag,
        labels=dict(found.labels),
        deployed=deployed,
        others=frozenset(others),
        split=dict(found.traffic_split),
        logs=found.predict_request_response_logging_config.enabled,
    )
