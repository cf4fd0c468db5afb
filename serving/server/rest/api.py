"""The REST API: predict, classify, regress, status and metadata (http_rest_api_handler.cc)."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hilir.serving.server.inference.executor import Executor
from hilir.serving.server.inference.log_records import Sample
from hilir.serving.server.inference.signatures import Plan
from hilir.serving.server.rest import status
from hilir.serving.server.rest.http_message import Request, Respond, Response, error_page
from hilir.serving.server.rest.json.json_response import encode_error
from hilir.serving.server.rest.paths import API, Target, VersionError, parse_target
from hilir.serving.server.rest.requests import plan_request
from hilir.serving.server.security.tokens import Tokens
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.servables.servable import Outputs, Servable
from hilir.serving.server.status import HTTP_STATUS, Code, StatusError, invalid_argument
from hilir.serving.server.telemetry.metrics import Metrics
from hilir.serving.server.telemetry.request_log import NoLog, RequestLog

logger = logging.getLogger(__name__)
METRICS_PATH = "/monitoring/prometheus/metrics"
# Bodies above this are decoded on a thread, since decoding them would hold up the loop.
_LARGE_BODY = 64 << 10
_LARGE_OUTPUT = 1 << 14
_JSON = ("Content-Type", "application/json")
_CORS = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "POST, GET"),
    ("Access-Control-Allow-Headers", "Content-Type"),
]
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
# What TensorFlow says when a session's timeout is over.
_TIMED_OUT = "Timed out waiting for notification"


@dataclass(frozen=True)
class RestOptions:
    """Flags of the REST API."""

    timeout_seconds: float = 30.0
    cors: bool = False
    prometheus_path: str | None = METRICS_PATH
    max_in_flight: int = 1024
    check_method: bool = False


@dataclass(slots=True)
class _Call:
    """One inference request on its way."""

    request: Request
    target: Target
    request_id: str
    respond: Respond
    start: float = field(default_factory=time.perf_counter)
    servable: Servable | None = None
    plan: Plan | None = None
    encode: Callable[[Outputs], bytes] | None = None
    timer: asyncio.TimerHandle | None = None
    run_started: float = 0.0
    runtime: float = 0.0
    answered: bool = False


class RestApi:
    """Handles HTTP requests; everything here runs on the event loop unless it says otherwise."""

    def __init__(
        self,
        core: ServerCore,
        executor: Executor,
        metrics: Metrics,
        options: RestOptions,
        tokens: Tokens | None = None,
        log: RequestLog | NoLog | None = None,
    ) -> None:
        self.core = core
        self.executor = executor
        self.metrics = metrics
        self.options = options
        self.tokens = tokens
        self.log = log or NoLog()
        self.in_flight = 0
        self.draining = False
        self._ids = itertools.count()
        self._id_prefix = secrets.token_hex(6)
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, request: Request, respond: Respond) -> None:
        """Answer one request, now or later."""
        path = request.target.decode("utf-8", "surrogateescape")
        request_id = self._request_id(request)
        if not API.fullmatch(path):
            self._handle_other(path, request, respond)
            return
        if self.tokens is not None and not self.tokens.allows(request.headers.get(b"authorization", b"")):
            self.metrics.rejected.add("unauthenticated")
            error = StatusError(Code.UNAUTHENTICATED, "Missing or unknown bearer token")
            respond(self._error(error, request_id, [("WWW-Authenticate", "Bearer")]))
            return
        if request.method == "OPTIONS":
            origin = request.headers.get(b"origin", b"")
            allowed = re.search(rb"https?://", origin) is not None
            self._count("", Code.OK if allowed else Code.FAILED_PRECONDITION)
            respond(Response(200 if allowed else 400, b"", list(_CORS) if self.options.cors else []))
            return
        self._dispatch(request, path, request_id, respond)

    def _dispatch(self, request: Request, path: str, request_id: str, respond: Respond) -> None:
        start = time.perf_counter()
        model = ""
        try:
            target = parse_target(request.method, path)
            if target is None:
                raise invalid_argument(f"Malformed request: {request.method} {path}")
            model = target.model
            if request.method == "POST":
                self._infer(_Call(request, target, request_id, respond))
                return
            body = self._get(target)
        except VersionError as error:
            self._count(model, error.code)
            respond(Response(400, b"", self._headers(request_id)))
        except StatusError as error:
            self._count(model, error.code)
            respond(self._error(error, request_id))
        else:
            self._count(model, Code.OK)
            spent = (time.perf_counter() - start) * 1e6
            self.metrics.request_latency.add(self._model_label(model), "", "REST", value=spent)
            respond(Response(200, body, self._headers(request_id)))

    def _handle_other(self, path: str, request: Request, respond: Respond) -> None:
        bare = path.split("?", 1)[0]
        text = [("Content-Type", "text/plain")]
        if bare == "/healthz":
            respond(Response(200, b"ok\n", text))
        elif bare == "/readyz":
            ready = self.core.is_ready() and not self.draining
            respond(Response(200, b"ready\n", text) if ready else Response(503, b"not ready\n", text))
        elif bare in (self.options.prometheus_path, "/metrics"):
            if path != bare:
                respond(Response(400, f"Unexpected path: {path}. Should be {bare}".encode(), text))
                return
            self.metrics.in_flight.set(to=self.in_flight)
            status.update_gauges(self.core, self.metrics)
            respond(Response(200, self.metrics.page().encode("utf-8", "replace"), text))
        else:
            logger.debug("nothing at %s %s", request.method, path)
            respond(error_page(404))

    def _get(self, target: Target) -> bytes:
        if not target.model:
            raise invalid_argument("Missing model name in request.")
        if target.action == "metadata":
            return status.metadata(self.core, target)
        return status.status(self.core, target)

    # inference

    def _infer(self, call: _Call) -> None:
        if self.in_flight >= self.options.max_in_flight:
            self.metrics.rejected.add("in_flight")
            raise StatusError(Code.UNAVAILABLE, "Too many requests are in progress; try again")
        self.in_flight += 1
        if len(call.request.body) > _LARGE_BODY:
            self._start_timer(call)
            task = self.executor.loop.create_task(self._infer_large(call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        try:
            plan = self._plan(call)
            call.run_started = time.perf_counter()
            result = self.executor.run(plan)
        except Exception as error:  # noqa: BLE001 - _fail reports what is not a StatusError
            self._fail(call, error)
            return
        if isinstance(result, list):
            self._finish(call, result)
        else:
            self._start_timer(call)
            result.add_done_callback(partial(self._run_done, call))

    def _start_timer(self, call: _Call) -> None:
        seconds = self.options.timeout_seconds
        if seconds > 0:
            call.timer = self.executor.loop.call_later(seconds, self._expire, call)

    def _run_done(self, call: _Call, future: asyncio.Future[Outputs]) -> None:
        error = future.exception()
        if error is not None:
            self._fail(call, error)
        else:
            self._finish(call, future.result())

    async def _infer_large(self, call: _Call) -> None:
        """Decode and encode on a thread: neither may hold up other requests."""
        loop, pool = self.executor.loop, self.executor.pool
        try:
            plan = await loop.run_in_executor(pool, self._plan, call)
            call.run_started = time.perf_counter()
            result = self.executor.run(plan)
            outputs = result if isinstance(result, list) else await result
            call.runtime = time.perf_counter() - call.run_started
            if call.encode is not None and sum(array.size for array in outputs) > _LARGE_OUTPUT:
                body = await loop.run_in_executor(pool, call.encode, outputs)
                self._succeed(call, outputs, body)
            else:
                self._finish(call, outputs)
        except Exception as error:  # noqa: BLE001 - _fail reports what is not a StatusError
            self._fail(call, error)

    def _plan(self, call: _Call) -> Plan:
        def hold() -> Servable:
            call.servable = self.core.hold(call.target.model, call.target.version, call.target.label)
            return call.servable

        call.plan, call.encode = plan_request(call.target.action, call.request.body, hold, self.options.check_method)
        return call.plan

    def _finish(self, call: _Call, outputs: Outputs) -> None:
        call.runtime = time.perf_counter() - call.run_started
        try:
            assert call.encode is not None
            body = call.encode(outputs)
        except Exception as error:  # noqa: BLE001 - _fail reports what is not a StatusError
            self._fail(call, error)
            return
        self._succeed(call, outputs, body)

    def _succeed(self, call: _Call, outputs: Outputs, body: bytes) -> None:
        self._end(call)
        if call.answered:
            return
        call.answered = True
        model = call.target.model
        spent = (time.perf_counter() - call.start) * 1e6
        self.metrics.request_latency.add(model, call.target.action, "REST", value=spent)
        api = call.target.action.capitalize()
        self.metrics.runtime_latency.add(model, api, "TF1", value=call.runtime * 1e6)
        version, label = self._version_of(call)
        self._count(model, Code.OK, version, label, call.target.action)
        self.metrics.version_latency.add(model, version, label, "REST", value=spent)
        if call.plan is not None and self.log.wants(model):
            self.log.offer(Sample(call.plan, outputs, call.target.action, call.request_id, label, "REST", spent))
        headers = self._headers(call.request_id)
        headers.append(("X-Model-Version", version))
        if label:
            headers.append(("X-Model-Label", label))
        call.respond(Response(200, body, headers))

    def _fail(self, call: _Call, error: BaseException) -> None:
        self._end(call)
        if call.answered:
            return
        call.answered = True
        if not isinstance(error, StatusError):
            logger.error("request %s failed", call.request_id, exc_info=error)
            error = StatusError(Code.INTERNAL, f"Internal error: {type(error).__name__}")
        version, label = self._version_of(call)
        self._count(call.target.model, error.code, version, label, call.target.action)
        call.respond(self._error(error, call.request_id))

    def _expire(self, call: _Call) -> None:
        """The time is over: answer; the run itself ends when it ends, and lets go of the version then."""
        if call.answered:
            return
        call.answered = True
        version, label = self._version_of(call)
        self._count(call.target.model, Code.DEADLINE_EXCEEDED, version, label, call.target.action)
        call.respond(self._error(StatusError(Code.DEADLINE_EXCEEDED, _TIMED_OUT), call.request_id))

    def _end(self, call: _Call) -> None:
        self.in_flight -= 1
        if call.timer is not None:
            call.timer.cancel()
        if call.servable is not None:
            call.servable.release()

    # small things

    def _version_of(self, call: _Call) -> tuple[str, str]:
        if call.servable is None:
            return "", ""
        version = call.servable.version
        label = call.target.label or self.core.table.current.label_of(call.target.model, version)
        return str(version), label

    def _request_id(self, request: Request) -> str:
        given = request.headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode("ascii")
        return f"{self._id_prefix}-{next(self._ids):x}"

    def _headers(self, request_id: str) -> list[tuple[str, str]]:
        headers = [_JSON, ("X-Request-Id", request_id)]
        return headers + _CORS if self.options.cors else headers

    def _error(self, error: StatusError, request_id: str, more: list[tuple[str, str]] | None = None) -> Response:
        headers = self._headers(request_id) + (more or [])
        return Response(HTTP_STATUS[error.code], encode_error(error.message), headers)

    def _model_label(self, model: str) -> str:
        return self.metrics.model_label(model, model in self.core.lifecycle.models)

    def _count(self, model: str, code: Code, version: str = "", label: str = "", method: str = "") -> None:
        name = self._model_label(model)
        self.metrics.request_count.add(name, code.name)
        if method:
            self.metrics.version_requests.add(name, version, label, method, "REST", code.name)
