"""One model in Vertex AI's registry, with a version per pushed version; the alias `v3` says which is which."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.retry import ANSWER_SECONDS, call, lookup, settle, wait_for
from hilir.components.vertex_pusher.settings import Target

_ALIAS = re.compile(r"v([1-9]\d*)")
# Exactly one version of a model has it (google/cloud/aiplatform/v1/model.proto, Model.version_aliases).
DEFAULT = "default"


@dataclass(frozen=True)
class Version:
    """A version in the registry: our number, Vertex AI's own id, and whether a request without a version gets it."""

    number: int
    id: str
    default: bool


def alias_of(number: int) -> str:
    """Returns the alias of one of our versions."""
    return f"v{number}"


def ensure_version(connection: Connection, target: Target, number: int, uri: str, description: str) -> Version:
    """Returns the version in the registry; uploads it if it is not there, into the model that is there if any.

    Raises:
        VertexError: it was refused.
    """
    found = _find(connection, target, number)
    if found is None:
        found = _upload(connection, target, number, uri, description)
    return found


def list_versions(connection: Connection, target: Target) -> list[Version]:
    """Returns our versions, the newest first; versions without an alias of ours are someone else's."""
    client, name = connection.client("models"), connection.name("models", target.model)
    models = call(
        connection,
        f"list the versions of the model {target.model}",
        lambda: list(client.list_model_versions(request={"name": name}, retry=None, timeout=ANSWER_SECONDS)),
    )
    found = [_version(model) for model in models]
    return sorted((version for version in found if version), key=lambda version: version.number, reverse=True)


def make_default(connection: Connection, target: Target, number: int) -> None:
    """Gives the version the alias `default`, which batch predictions and other readers of the registry follow."""
    version = _find(connection, target, number)
    if version is None or version.default:
        return
    client = connection.client("models")
    name = f"{connection.name('models', target.model)}@{version.id}"
    call(
        connection,
        f"make {alias_of(number)} the default of the model {target.model}",
        lambda: client.merge_version_aliases(
            request={"name": name, "version_aliases": [DEFAULT]}, retry=None, timeout=ANSWER_SECONDS
        ),
    )


def delete_version(connection: Connection, target: Target, version: Version) -> None:
    """Removes a version from the registry; its files stay where they were pushed to."""
    client = connection.client("models")
    name = f"{connection.name('models', target.model)}@{version.id}"
    what = f"remove {alias_of(version.number)} of the model {target.model}"
    operation = lookup(
        connection,
        what,
        lambda: client.delete_model_version(request={"name": name}, retry=None, timeout=ANSWER_SECONDS),
    )
    if operation is not None:
        wait_for(connection, "models", what, operation)


def _find(connection: Connection, target: Target, number: int) -> Version | None:
    client = connection.client("models")
    name = f"{connection.name('models', target.model)}@{alias_of(number)}"
    model = lookup(
        connection,
        f"read {alias_of(number)} of the model {target.model}",
        lambda: client.get_model(request={"name": name}, retry=None, timeout=ANSWER_SECONDS),
    )
    return None if model is None else _version(model)


def _upload(connection: Connection, target: Target, number: int, uri: str, description: str) -> Version:
    client = connection.client("models")
    what = f"upload {alias_of(number)} of the model {target.model}"
    name = connection.name("models", target.model)
    known = lookup(
        connection,
        f"read the model {target.model}",
        lambda: client.get_model(request={"name": name}, retry=None, timeout=ANSWER_SECONDS),
    )
    request: dict[str, Any] = {
        "parent": connection.parent,
        "model": _describe(target, number, uri, description),
        **({"model_id": target.model} if known is None else {"parent_model": name}),
    }

    def find() -> Version | None:
        settle(connection, "models", name)
        return _find(connection, target, number)

    started = call(
        connection,
        what,
        lambda: client.upload_model(request=request, retry=None, timeout=ANSWER_SECONDS),
        find=find,
    )
    if not isinstance(started, Version):
        wait_for(connection, "models", what, started)
    found = _find(connection, target, number)
    assert found is not None, "an upload that has succeeded can be read"
    return found


def _describe(target: Target, number: int, uri: str, description: str) -> dict[str, Any]:
    push = target.push
    container: dict[str, Any] = {
        "image_uri": push.image,
        "args": push.args,
        "env": [{"name": key, "value": value} for key, value in sorted(push.environment.items())],
    }
    if push.predict_route:
        container["predict_route"] = push.predict_route
    if push.health_route:
        container["health_route"] = push.health_route
    if push.port:
        container["ports"] = [{"container_port": push.port}]
    model: dict[str, Any] = {
        "display_name": target.model,
        "artifact_uri": uri,
        "container_spec": container,
        "version_aliases": [alias_of(number)],
        "version_description": description,
        "labels": target.labels,
    }
    if target.encryption_key:
        model["encryption_spec"] = {"kms_key_name": target.encryption_key}
    return model


def _version(model: Any) -> Version | None:
    aliases = list(model.version_aliases)
    numbers = [int(found.group(1)) for alias in aliases if (found := _ALIAS.fullmatch(alias))]
    return Version(max(numbers), str(model.version_id), DEFAULT in aliases) if numbers else None
