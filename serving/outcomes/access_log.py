"""What the gateway's access log says of predictions: version, arm, user and latency of each request."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from hilir.serving.errors import ServingConfigError

GOLDEN_IDS = "hilir-golden-"
"""Ids of the requests that verify a version begin with this: nobody made them."""

_PREDICTIONS = re.compile(
    r"/v1/models/[^/:]+(/(versions|labels)/[^/:]+)?:(predict|classify|regress)"
    r"|/tensorflow\.serving\.PredictionService/(Predict|Classify|Regress|MultiInference)"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request for predictions, as the gateway saw it.

    Attributes:
        id: its id.
        time: seconds since 1970 at which it came.
        model, version, label: who answered it; empty where the gateway does not know.
        user: hash of the user's key by which a release splits; empty without a key.
        experiment: id of the experiment that it is part of; empty if none.
        experiment_user: hash of the user's key by which the experiment splits; empty without a key.
        failed: the server or the gateway failed; a request that was wrong is no failure.
        latency_ms: from its first byte to the last of the answer.
    """

    id: str
    time: float
    model: str
    version: str
    label: str
    user: str
    experiment: str
    experiment_user: str
    failed: bool
    latency_ms: float


@dataclass
class AccessLog:
    """Requests by id, in the order in which they came.

    Attributes:
        requests: the first one of each id, of those that are kept.
        repeated: requests whose id had been used before; they do not count.
        torn: lines that are none of an access log.
    """

    requests: dict[str, Request]
    repeated: int = 0
    torn: int = 0


def read_access_logs(
    paths: Sequence[str], model: str, keep: Callable[[Request], bool] = lambda _request: True
) -> AccessLog:
    """Returns the requests for a model's predictions; copies for a shadow, golden and health calls are none.

    The files are read line by line: of requests that are not kept, only a hash of the id and the time stay in memory.

    Args:
        paths: files of one or several gateways, rotated ones too.
        model: its name.
        keep: whether a request is wanted.

    Raises:
        ServingConfigError: a file cannot be read.
    """
    log = AccessLog({})
    first: dict[int, float] = {}
    for request in _read_requests(paths, model, log):
        place = hash(request.id)
        earlier = first.get(place)
        if earlier is not None:
            log.repeated += 1
            if request.time >= earlier:
                continue
            # Of an older file, or of another gateway.
            log.requests.pop(request.id, None)
        first[place] = request.time
        if keep(request):
            log.requests[request.id] = request
    log.requests = dict(sorted(log.requests.items(), key=lambda item: item[1].time))
    return log


def _read_requests(paths: Sequence[str], model: str, log: AccessLog) -> Iterator[Request]:
    """Yields the requests as they are in the files; counts lines that are torn."""
    for path in paths:
        for line in _read_lines(path):
            try:
                request = _parse(orjson.loads(line), model)
            except (ValueError, KeyError, TypeError, AttributeError):
                log.torn += 1
                continue
            if request is not None:
                yield request


def _read_lines(path: str) -> Iterator[bytes]:
    if not Path(path).is_file():
        raise ServingConfigError(
            f"{path}: there is no such access log; give the file of 'hilir gateway run --access-log FILE'"
        )
    try:
        with Path(path).open("rb") as file:
            yield from file
    except OSError as error:
        raise ServingConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def _parse(entry: dict[str, Any], model: str) -> Request | None:
    """Returns the request of a line, or None for one that is no prediction of the model."""
    if entry["model"] != model or entry["label"] == "shadow":
        return None
    if not _PREDICTIONS.match(entry["path"] or "") or entry["request_id"].startswith(GOLDEN_IDS):
        return None
    grpc_status = entry.get("grpc_status") or "OK"
    return Request(
        id=entry["request_id"],
        time=datetime.fromisoformat(entry["time"]).timestamp(),
        model=model,
        version=_share(entry.get("version")),
        label=_share(entry.get("label")),
        user=_share(entry.get("user")),
        experiment=_share(entry.get("experiment")),
        experiment_user=_share(entry.get("experiment_user")),
        failed=_is_failure(int(entry["status"]), grpc_status),
        latency_ms=float(entry["latency_ms"]),
    )


def _share(value: str | None) -> str:
    """Returns one object for all equal strings: a log has the same few in millions of lines."""
    return sys.intern(value) if value else ""


def _is_failure(status: int, grpc_status: str) -> bool:
    """Status 0: the caller was gone before an answer began."""
    return status >= 500 or grpc_status in (
        "Unavailable",
        "Internal",
        "Unknown",
        "DeadlineExceeded",
        "ResourceExhausted",
    )
