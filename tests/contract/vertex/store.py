"""What the server keeps: resources as the real protos, operations, requests, buckets as folders."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask

from tests.contract.vertex.faults import ApiError, Faults, invalid, not_found

PROJECT, NUMBER, REGION = "test-project", "123456789012", "europe-west4"
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
ACCOUNT = re.compile(r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com")
NETWORK = re.compile(r"projects/\d+/global/networks/[a-z0-9-]+")
KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
CONDITION = re.compile(r'([\w.-]+)\s*=\s*"?([^"]*)"?')


def canonical(name: str) -> str:
    """Returns a name as the API gives it: with the project's number; what is elsewhere is not there."""
    parts = name.split("/")
    if len(parts) < 4 or parts[0] != "projects" or parts[2] != "locations":
        raise invalid(f"Invalid resource name: {name}")
    if parts[1] not in (PROJECT, NUMBER):
        raise ApiError(403, "PERMISSION_DENIED", f"Permission denied on resource project {parts[1]}.")
    if parts[3] != REGION:
        raise invalid(f"The location {parts[3]} is not that of this endpoint.")
    return "/".join(["projects", NUMBER, *parts[2:]])


def parse(kind: Any, body: Any) -> Any:
    """Parses a body into the proto; an unknown field or a wrong type is refused as the API refuses it."""
    message = kind.pb(kind())
    try:
        json_format.ParseDict(body or {}, message)
    except json_format.ParseError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from None
    return message


def dump(message: Any) -> Any:
    return json_format.MessageToDict(message, use_integers_for_enums=True)


def check_common(message: Any) -> None:
    """Refuses what no resource may have."""
    for key, value in message.labels.items():
        if not LABEL.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            raise invalid(f"Label {key}={value} is invalid.")
    account = getattr(message, "service_account", "")
    if account and not ACCOUNT.fullmatch(account):
        raise invalid(f"Service account {account} is invalid.")
    network = getattr(message, "network", "")
    if network and not NETWORK.fullmatch(network):
        raise invalid(f"Network {network} is invalid.")
    key = message.encryption_spec.kms_key_name
    if key and not KEY.fullmatch(key):
        raise invalid(f"KMS key {key} is invalid.")


def apply_mask(target: Any, source: Any, mask: str, allowed: set[str]) -> None:
    """Changes the fields of an update mask; others are refused."""
    if not mask:
        raise invalid("update_mask is required.")
    paths = [re.sub("[A-Z]", lambda found: "_" + found.group().lower(), path) for path in mask.split(",")]
    for path in paths:
        if path not in allowed:
            raise invalid(f"The field {path} cannot be updated.")
    for path in paths:
        target.ClearField(path)
    FieldMask(paths=paths).MergeMessage(source, target, True, True)


@dataclass
class Operation:
    """A long-running operation: its effect takes place when it has been polled often enough."""

    name: str
    finish: Callable[[], Any]
    polls: int
    error: ApiError | None = None
    answer: dict[str, Any] | None = None

    def look(self) -> dict[str, Any]:
        if self.answer is None:
            if self.polls > 0:
                self.polls -= 1
                return {"name": self.name, "done": False}
            self.answer = {"name": self.name, "done": True, **self._end()}
        return self.answer

    def _end(self) -> dict[str, Any]:
        try:
            if self.error is not None:
                raise self.error
            made = self.finish()
        except ApiError as error:
            codes = {"RESOURCE_EXHAUSTED": 8, "FAILED_PRECONDITION": 9, "INVALID_ARGUMENT": 3, "INTERNAL": 13}
            return {"error": {"code": codes.get(error.status, 2), "message": error.message}}
        return {"response": {"@type": f"type.googleapis.com/{made.DESCRIPTOR.full_name}", **dump(made)}}


@dataclass
class Store:
    """All resources by collection and name."""

    folder: Path
    faults: Faults = field(default_factory=Faults)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1001))
    lock: Any = field(default_factory=RLock)

    @property
    def buckets(self) -> Path:
        """The folder with a folder per bucket."""
        return self.folder / "buckets"

    def number(self) -> str:
        return str(next(self.numbers))

    def all(self, collection: str) -> dict[str, Any]:
        return self.resources.setdefault(collection, {})

    def get(self, collection: str, name: str) -> Any:
        found = self.all(collection).get(canonical(name))
        if found is None:
            raise not_found(name)
        return found

    def add(self, collection: str, name: str, message: Any) -> Any:
        if name in self.all(collection):
            raise ApiError(409, "ALREADY_EXISTS", f"Resource {name} already exists.")
        message.name = name
        self.all(collection)[name] = message
        return message

    def find(self, collection: str, condition: str) -> list[Any]:
        """Returns the resources that fulfil `field="value"` (also labels.key, display_name), the newest first."""
        found = list(self.all(collection).values())
        if condition:
            match = CONDITION.fullmatch(condition)
            if match is None:
                raise invalid(f"Invalid filter: {condition}")
            name, value = match.groups()
            found = [resource for resource in found if self._field(resource, name) == value]
        return list(reversed(found))

    def _field(self, resource: Any, name: str) -> str:
        if name.startswith("labels."):
            return str(resource.labels.get(name.removeprefix("labels."), ""))
        if name == "pipeline_name":
            return str(resource.pipeline_spec["pipelineInfo"]["name"])
        if name in ("display_name", "displayName"):
            return str(resource.display_name)
        raise invalid(f"Unsupported filter field: {name}")

    def operate(self, resource: str, finish: Callable[[], Any], polls: int, error: ApiError | None) -> dict[str, Any]:
        """Starts an operation and returns it."""
        name = f"{canonical(resource)}/operations/{self.number()}"
        operation = self.operations[name] = Operation(name, finish, polls, error)
        return {"name": name, "done": False} if polls or error else operation.look()

    def local(self, uri: str) -> Path:
        """Returns the folder that stands for a gs:// path; steps that were emulated know their folders alone."""
        if uri.startswith("gs://"):
            return self.buckets / uri.removeprefix("gs://")
        path = Path(uri)
        if not path.is_relative_to(self.buckets):
            raise invalid(f"The artifact URI {uri} is not a Cloud Storage path.")
        return path

    def made(self, request: str) -> list[Any]:
        """Returns the bodies of the requests that fit, in order."""
        return [body for method, path, body in self.requests if re.search(request, f"{method} {path}")]
