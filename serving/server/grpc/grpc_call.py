"""What the gRPC servers hand to a method, and what they take from it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hilir.serving.server.inference.call import Answer
from hilir.serving.server.security.tokens import Scope

_INFERENCES = ("Predict", "Classify", "Regress", "MultiInference")
_SCOPES = {
    "HandleReloadConfigRequest": Scope.ADMIN,
    **dict.fromkeys(_INFERENCES, Scope.PREDICT),
}


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a method may know of its call.

    Args:
        request_id: the id that goes into the trailing metadata.
        deadline: when the client gives up, in seconds since 1970; None if it never does.
        traceparent: the client's metadata of that name.
    """

    request_id: str
    deadline: float | None
    traceparent: bytes | None = None

    def time_remaining(self) -> float | None:
        """Seconds until the client gives up; None if it never does."""
        if self.deadline is None:
            return None
        left = self.deadline - time.time()
        return None if left > 1e8 else max(left, 0.0)


Method = Callable[[bytes, CallContext], Answer | Awaitable[Answer]]
"""One message in, one out, at once or later; a StatusError becomes the call's status."""
Stream = Callable[[bytes, CallContext], AsyncIterator[bytes]]
"""A method that answers one message with many; it has to end when the server stops."""


def scope_of(method: str) -> Scope | None:
    """What a token must be good for to call a method; None if every token will do."""
    return _SCOPES.get(method.rpartition("/")[2])


def metadata_value(metadata: Any, key: str) -> bytes | None:
    """The value of a key in the metadata of a call, as grpcio gives it."""
    for name, value in metadata or ():
        if name == key:
            return value if isinstance(value, bytes) else value.encode()
    return None
