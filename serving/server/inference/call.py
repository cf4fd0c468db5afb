"""One inference request on its way, and what becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hilir.serving.server.inference.memory import Loan, Take
from hilir.serving.server.inference.signatures import Plan
from hilir.serving.server.servables.servable import Outputs, Servable

Hold = Callable[[str, int | None, str | None], Servable]
"""Finds the servable of a model's version or label, and holds it for the request that asks; raises StatusError."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a protocol makes of a request: the plan to run, and how its outputs are written.

    Args:
        plan: what to run.
        encode: writes the outputs.
        float_bytes: about how many bytes a float needs while it is written.
    """

    plan: Plan
    encode: Callable[[Outputs], bytes]
    float_bytes: int = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of a response, and the version and label that it came from."""

    body: bytes
    version: str = ""
    label: str = ""


@dataclass(slots=True)
class Call:
    """One request.

    Args:
        protocol: `REST` or `GRPC`.
        method: `predict`, `classify`, `regress` or `multi_inference`.
        request_id: the id that its answer carries.
        size: bytes of the request as it came.
        seconds: how long the caller waits; None for ever.
        prepare: decodes the request, and holds its servable at the point where TensorFlow Serving would miss it;
            what it allocates beyond the request's own size is counted first.
        model: the model's name, as far as the protocol knows it before it decodes.
        traceparent: the caller's header of that name.
    """

    protocol: str
    method: str
    request_id: str
    size: int
    seconds: float | None
    prepare: Callable[[Hold, Take], Prepared]
    model: str = ""
    label: str = ""
    traceparent: bytes | None = None
    start: float = field(default_factory=time.perf_counter)
    servable: Servable | None = None
    loan: Loan | None = None
    run_started: float = 0.0
    run_seconds: float = 0.0
    waiting: asyncio.Future[Answer] | None = None
    timer: asyncio.TimerHandle | None = None
    recorded: bool = False

    @property
    def is_over(self) -> bool:
        """True if nobody waits any more: the time is over, or the caller has left."""
        return self.waiting is not None and self.waiting.done()

    @property
    def is_abandoned(self) -> bool:
        """True if the caller has left."""
        return self.waiting is not None and self.waiting.cancelled()
