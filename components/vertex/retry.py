"""Makes a request until it is answered: backoff, a limit, and nothing made twice."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.credentials import ADVICE, find_refusal, is_passing
from hilir.components.vertex.errors import NotFound, Outdated, QuotaRefused, Unreachable, VertexError

T = TypeVar("T")

ANSWER_SECONDS = 60.0
"""For how long one answer is waited for."""

# google/rpc/code.proto
_RESOURCE_EXHAUSTED = 8
_FIRST_SECONDS, _LONGEST_SECONDS = 0.5, 30.0
# A limit per minute passes by itself; one on machines, accelerators or resources does not.
_LASTING = re.compile(r"quotas? (?:is|are|was|were|has been)? ?exceeded|exceeded .*quota|quota limit", re.IGNORECASE)
# What the REST transport puts before the API's message.
_ADDRESS = re.compile(r"^(GET|POST|PATCH|PUT|DELETE) https?://\S+: ")
_PASSING = re.compile(r"per[ _]minute|per[ _]second|rate[ _]limit", re.IGNORECASE)


def call(
    connection: Connection,
    what: str,
    send: Callable[[], T],
    *,
    find: Callable[[], T | None] | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> T:
    """Returns what `send` returns, made again while Vertex AI is unreachable, overloaded or limits the rate.

    Args:
        connection: says for how long.
        what: what is being done, for messages: 'create the schedule nightly'.
        send: makes the request once.
        find: returns what `send` would have made if it is there already. It is asked before a request is made again
            that may have arrived, and when Vertex AI says that the thing exists, so that nothing is made twice.
        note: gets a line for each attempt that failed.

    Raises:
        VertexError: it was refused (NotFound, Outdated, QuotaRefused among them), or not answered (Unreachable).
    """
    limit = time.monotonic() + connection.patience
    delay = _FIRST_SECONDS
    while True:
        try:
            return send()
        except Exception as error:  # noqa: BLE001 - gRPC, REST and their adapters have no base class in common
            failure = error
        if find is not None and _exists(failure):
            found = find()
            if found is not None:
                return found
        if not _may_pass(failure):
            raise translate(what, failure) from None
        wait = delay * random.uniform(0.5, 1)  # noqa: S311 - jitter
        if time.monotonic() + wait > limit:
            raise Unreachable(
                f"could not {what}: Vertex AI did not take it for {connection.patience:.0f} s ({describe(failure)}); "
                f"see https://status.cloud.google.com, or try later: nothing is made twice"
            ) from None
        note(f"could not {what} yet ({describe(failure)}); trying again in {wait:.1f} s")
        time.sleep(wait)
        delay = min(delay * 2, _LONGEST_SECONDS)
        if find is not None and not _was_refused(failure):
            found = find()
            if found is not None:
                return found


def lookup(connection: Connection, what: str, send: Callable[[], T]) -> T | None:
    """Returns what `send` returns, or None if it does not exist."""
    try:
        return call(connection, what, send)
    except NotFound:
        return None


def wait_for(connection: Connection, service: str, what: str, operation: Any, seconds: float = 3600) -> Any:
    """Waits until a long-running operation is done; returns its finished `google.longrunning.Operation`.

    Args:
        connection: where it runs.
        service: the service that started it.
        what: for messages.
        operation: what the client returned.
        seconds: the limit; deploying a model takes up to half an hour.

    Raises:
        VertexError: the operation failed.
        Unreachable: the limit has passed.
    """
    started = getattr(operation, "operation", operation)
    client, name = connection.client(service), started.name
    limit = time.monotonic() + seconds
    delay = 0.2
    while not started.done:
        if time.monotonic() > limit:
            raise Unreachable(
                f"could not {what}: it is still running after {seconds:.0f} s ({started.name}); "
                f"repeat the command later, it continues from what exists"
            )
        time.sleep(delay)
        delay = min(delay * 1.5, 10.0)
        started = call(
            connection, what, lambda: client.get_operation({"name": name}, retry=None, timeout=ANSWER_SECONDS)
        )
    if started.HasField("error"):
        raise _refusal(what, started.error.message or f"error {started.error.code}", started.error.code)
    return started


def settle(connection: Connection, service: str, name: str, seconds: float = 3600) -> None:
    """Waits for operations on a resource, which a request whose answer was lost may have started."""
    client = connection.client(service)
    listed = lookup(
        connection,
        f"list the operations on {name}",
        lambda: client.list_operations({"name": name}, retry=None, timeout=ANSWER_SECONDS),
    )
    for operation in listed.operations if listed is not None else ():
        if not operation.done:
            try:
                wait_for(connection, service, f"wait for {operation.name}", operation, seconds)
            except (Unreachable, NotFound):
                raise
            except VertexError:
                # It has failed, and the request that is made again will say why.
                continue


def translate(what: str, error: Exception) -> VertexError:
    """Returns the error for the user."""
    from google.api_core import exceptions as api

    if isinstance(error, VertexError):
        return error
    refusal = find_refusal(error)
    if refusal is not None:
        return VertexError(f"could not {what}: the credentials are not accepted ({refusal}); {ADVICE}")
    message = getattr(error, "message", "") or str(error)
    match error:
        case api.NotFound():
            return NotFound(f"could not {what}: {_sentence(message)}; check the name, vertex.project and vertex.region")
        case api.Unauthorized():
            return VertexError(f"could not {what}: the credentials are not accepted ({_sentence(message)}); {ADVICE}")
        case api.Forbidden():
            return VertexError(
                f"could not {what}: {_sentence(message)}; the account needs roles/aiplatform.user on the project, and "
                f"roles/iam.serviceAccountUser on vertex.service_account and vertex.push.service_account"
            )
        case api.TooManyRequests():
            return _quota(what, message)
        case api.Conflict() | api.BadRequest() if isinstance(error, api.Conflict) or "etag" in message:
            return Outdated(f"could not {what}: {_sentence(message)}; look at its present state and repeat the command")
        case api.GoogleAPICallError():
            return VertexError(f"could not {what}: Vertex AI refuses it: {_sentence(message)}; fix it and try again")
    raise error


def describe(error: Exception) -> str:
    """Returns an error as a few words."""
    code = getattr(error, "code", None)
    number = getattr(code, "value", code)
    text = _sentence(getattr(error, "message", "") or str(error))
    return f"{number}: {text}" if isinstance(number, int) else f"connection lost: {text[:120]}"


def _refusal(what: str, message: str, code: int) -> VertexError:
    return (
        _quota(what, message) if code == _RESOURCE_EXHAUSTED else VertexError(f"could not {what}: {_sentence(message)}")
    )


def _quota(what: str, message: str) -> QuotaRefused:
    return QuotaRefused(
        f"could not {what}: {_sentence(message)}; ask for more at https://console.cloud.google.com/iam-admin/quotas, "
        f"or take fewer or smaller machines, or another vertex.region"
    )


def _sentence(message: str) -> str:
    return " ".join(_ADDRESS.sub("", message).split()).rstrip(".")


def _exists(error: Exception) -> bool:
    from google.api_core import exceptions as api

    return isinstance(error, api.Conflict)


def _was_refused(error: Exception) -> bool:
    """Returns whether the request was certainly not carried out."""
    from google.api_core import exceptions as api

    return isinstance(error, api.TooManyRequests)


def _may_pass(error: Exception) -> bool:
    from google.api_core import exceptions as api
    from requests.exceptions import ChunkedEncodingError, ConnectionError, Timeout

    if find_refusal(error) is not None:
        return False
    if isinstance(error, api.TooManyRequests):
        text = str(error)
        return bool(_PASSING.search(text)) or not _LASTING.search(text)
    return isinstance(error, api.ServerError | ConnectionError | Timeout | ChunkedEncodingError) or is_passing(error)
