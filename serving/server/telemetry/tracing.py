"""Spans of requests for an OpenTelemetry collector, over OTLP/HTTP with JSON, by a thread of its own.

A trace that a caller, or Envoy, began is continued (https://www.w3.org/TR/trace-context/), and its decision whether
it is sampled is kept; of the others a fraction is sampled. The form of a span:
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import json
import logging
import os
import queue
import random
import re
import threading
import time
import urllib.request
from dataclasses import dataclass
from typing import Any, Protocol

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)
HEADER = "traceparent"
# version 00 may grow fields in later versions, which begin with a dash.
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_QUEUE, _BATCH = 2048, 512
_PAUSE_SECONDS, _SEND_SECONDS = 1.0, 5.0
_SERVER_KIND, _OK, _ERROR = 2, 1, 2


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a span belongs: ids in hexadecimal, the parent's empty for a trace that begins here."""

    trace_id: str
    parent_id: str
    sampled: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A request that is over.

    Attributes:
        context: its trace.
        name: method and model.
        seconds: how long it took; it ended when the span was made.
        attributes: by name.
        error: the status' name, empty if there was none.
    """

    context: TraceContext
    name: str
    seconds: float
    attributes: dict[str, str | int]
    error: str = ""


class Tracer(Protocol):
    """Takes spans."""

    def begin(self, parent: bytes | None) -> TraceContext | None:
        """Returns where a request belongs whose caller sent `parent`; None if it is not sampled."""

    def offer(self, span: Span) -> None:
        """Takes a span, and never waits."""

    def close(self) -> None:
        """Sends what there is."""


class NoTracer:
    """Stands in where there is no collector."""

    def begin(self, _parent: bytes | None) -> TraceContext | None:
        """Samples nothing."""
        return None

    def offer(self, _span: Span) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class OtlpTracer:
    """Sends spans in batches; a full queue, or a collector that does not answer, drops and counts them."""

    def __init__(self, endpoint: str, rate: float, metrics: Metrics) -> None:
        """Starts the thread.

        Args:
            endpoint: of the collector, for example http://127.0.0.1:4318.
            rate: fraction of the traces that begin here.
            metrics: counts spans that were dropped.

        Raises:
            ServingConfigError: it is not an address of HTTP.
        """
        if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", endpoint):
            raise ServingConfigError(f"--otlp-endpoint {endpoint}: give an address like http://127.0.0.1:4318")
        self._url = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint.rstrip('/')}/v1/traces"
        self._rate, self._metrics = rate, metrics
        self._random = random.Random(os.urandom(8))  # noqa: S311 - which requests are traced is no secret
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(_QUEUE)
        self._failed = False
        self._thread = threading.Thread(target=self._work, name="tracing", daemon=True)
        self._thread.start()

    def begin(self, parent: bytes | None) -> TraceContext | None:
        """Returns where a request belongs whose caller sent `parent`; None if it is not sampled."""
        context = parse_parent(parent)
        if context is None:
            context = TraceContext(os.urandom(16).hex(), "", self._random.random() < self._rate)
        return context if context.sampled else None

    def offer(self, span: Span) -> None:
        """Takes a span, and never waits."""
        try:
            self._queue.put_nowait(_encode(span))
        except queue.Full:
            self._metrics.spans_dropped.add()

    def close(self) -> None:
        """Sends what there is, for a few seconds at most."""
        self._queue.put(None)
        self._thread.join(2 * _SEND_SECONDS)

    def _work(self) -> None:
        while True:
            batch, is_last = self._collect()
            if batch:
                self._send(batch)
            if is_last:
                return

    def _collect(self) -> tuple[list[dict[str, Any]], bool]:
        """Returns the spans of about a second, and whether there will be no more."""
        batch: list[dict[str, Any]] = []
        until = time.monotonic() + _PAUSE_SECONDS
        while len(batch) < _BATCH:
            try:
                span = self._queue.get(timeout=max(until - time.monotonic(), 0.001))
            except queue.Empty:
                break
            if span is None:
                return batch, True
            batch.append(span)
        return batch, False

    def _send(self, batch: list[dict[str, Any]]) -> None:
        resource = {"attributes": [_attribute("service.name", "hilir-serve")]}
        scope = {"scope": {"name": "hilir"}, "spans": batch}
        body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_SEND_SECONDS) as answer:
                answer.read()
            self._failed = False
        except OSError as error:
            self._metrics.spans_dropped.add(amount=len(batch))
            if not self._failed:
                logger.warning("%s: the collector does not take spans (%s); they are dropped", self._url, error)
            self._failed = True


def make_tracer(endpoint: str, rate: float, metrics: Metrics) -> Tracer:
    """Returns what takes the spans of a server.

    Raises:
        ServingConfigError: the endpoint is wrong.
    """
    return OtlpTracer(endpoint, rate, metrics) if endpoint else NoTracer()


def parse_parent(header: bytes | None) -> TraceContext | None:
    """Returns the trace that a header continues; None for one that is missing or not valid."""
    match = _PARENT.fullmatch(header) if header else None
    if match is None:
        return None
    version, trace_id, parent_id, flags, rest = match.groups()
    if version == b"ff" or (version == b"00" and rest) or not int(trace_id, 16) or not int(parent_id, 16):
        return None
    return TraceContext(trace_id.decode(), parent_id.decode(), bool(int(flags, 16) & 1))


def _encode(span: Span) -> dict[str, Any]:
    end = time.time_ns()
    return {
        "traceId": span.context.trace_id,
        "spanId": os.urandom(8).hex(),
        **({"parentSpanId": span.context.parent_id} if span.context.parent_id else {}),
        "name": span.name,
        "kind": _SERVER_KIND,
        "startTimeUnixNano": str(end - int(span.seconds * 1e9)),
        "endTimeUnixNano": str(end),
        "attributes": [_attribute(name, value) for name, value in span.attributes.items()],
        "status": {"code": _ERROR, "message": span.error} if span.error else {"code": _OK},
    }


def _attribute(name: str, value: str | int) -> dict[str, Any]:
    return {"key": name, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
