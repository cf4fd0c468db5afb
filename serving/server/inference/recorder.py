"""What is recorded of requests: metrics and the request log, the same for both protocols."""

from __future__ import annotations

import time

from hilir.serving.server.inference.call import Answer, Call, Prepared
from hilir.serving.server.inference.log_records import Sample
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.servables.servable import Outputs
from hilir.serving.server.status import Code
from hilir.serving.server.telemetry.metrics import Metrics
from hilir.serving.server.telemetry.request_log import NoLog, RequestLog
from hilir.serving.server.telemetry.tracing import NoTracer, Span, Tracer

_NO_TRACER = NoTracer()
_API = {"predict": "Predict", "classify": "Classify", "regress": "Regress", "multi_inference": "MultiInference"}


class Recorder:
    """Writes the metrics of requests, and offers them to the request log."""

    def __init__(
        self, core: ServerCore, metrics: Metrics, log: RequestLog | NoLog, tracer: Tracer = _NO_TRACER
    ) -> None:
        self._tracer = tracer
        self._core = core
        self._metrics = metrics
        self._log = log

    def version_and_label(self, call: Call) -> tuple[str, str]:
        """What a call was answered by: its version, and the label asked for or the version's own."""
        if call.servable is None:
            return "", ""
        version = call.servable.version
        return str(version), call.label or self._core.table.current.label_of(call.model, version)

    def refused(self, reason: str) -> None:
        """A request was refused before anything was done for it."""
        self._metrics.rejected.add(reason)

    def lookup(self, model: str, code: Code, started: float) -> None:
        """A REST request that runs no model: status, metadata, or one that is malformed."""
        name = self._name(model)
        self._metrics.request_count.add(name, code.name)
        if code is Code.OK:
            self._metrics.request_latency.add(name, "", "REST", value=_micros_since(started))

    def failure(self, call: Call, code: Code) -> None:
        """A request ended with an error."""
        version, label = self.version_and_label(call)
        self._count(call, self._name(call.model), version, label, code)
        self._trace(call, version, label, "", code)

    def success(self, call: Call, prepared: Prepared, outputs: Outputs, answer: Answer) -> None:
        """A request was answered."""
        metrics, name, api = self._metrics, self._name(call.model), _API[call.method]
        spent = _micros_since(call.start)
        version, label = answer.version, answer.label
        self._count(call, name, version, label, Code.OK)
        metrics.runtime_latency.add(name, api, "TF1", value=call.run_seconds * 1e6)
        metrics.version_latency.add(name, version, label, call.protocol, value=spent)
        metrics.signature_latency.add(name, version, prepared.plan.signature, call.method, value=spent)
        self._trace(call, version, label, prepared.plan.signature, Code.OK)
        if call.method == "multi_inference":
            # TensorFlow Serving counts the examples of this method only, and nothing else of it.
            metrics.example_counts.add(name, value=prepared.plan.examples)
            metrics.example_count_total.add(name, amount=prepared.plan.examples)
            return
        metrics.request_latency.add(name, call.method if call.protocol == "REST" else api, call.protocol, value=spent)
        if self._log.wants(call.model, call.request_id):
            sample = Sample(prepared.plan, outputs, call.method, call.request_id, label, call.protocol, spent)
            self._log.offer(sample)

    def _trace(self, call: Call, version: str, label: str, signature: str, code: Code) -> None:
        context = self._tracer.begin(call.traceparent)
        if context is None:
            return
        attributes: dict[str, str | int] = {
            "rpc.system": "grpc" if call.protocol == "GRPC" else "http",
            "hilir.model": call.model,
            "hilir.version": version,
            "hilir.label": label,
            "hilir.signature": signature,
            "hilir.request_id": call.request_id,
            "hilir.request_bytes": call.size,
            "hilir.run_microseconds": round(call.run_seconds * 1e6),
        }
        seconds = time.perf_counter() - call.start
        error = "" if code is Code.OK else code.name
        self._tracer.offer(Span(context, f"{call.method} {call.model}".strip(), seconds, attributes, error))

    def _count(self, call: Call, name: str, version: str, label: str, code: Code) -> None:
        if call.method != "multi_inference":
            self._metrics.request_count.add(name, code.name)
        self._metrics.version_requests.add(name, version, label, call.method, call.protocol, code.name)

    def _name(self, model: str) -> str:
        return self._metrics.model_label(model, model in self._core.lifecycle.models)


def _micros_since(started: float) -> float:
    return (time.perf_counter() - started) * 1e6
