"""The REST API: predict, classify, regress, status and metadata (http_rest_api_handler.cc)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from functools import partial

from hilir.serving.server.inference.call import Answer, Call
from hilir.serving.server.inference.memory import OverBudget
from hilir.serving.server.inference.recorder import Recorder
from hilir.serving.server.inference.service import InferenceService, as_status
from hilir.serving.server.rest import model_status
from hilir.serving.server.rest.http_message import Request, Respond, Response, error_page
from hilir.serving.server.rest.json.json_response import encode_error
from hilir.serving.server.rest.outcomes import PATH, OutcomeEndpoint
from hilir.serving.server.rest.paths import API, Target, VersionError, parse_target
from hilir.serving.server.rest.requests import prepare
from hilir.serving.server.security.tokens import Scope, Tokens
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.status import HTTP_STATUS, Code, StatusError, invalid_argument
from hilir.serving.server.telemetry.metrics import Metrics
from hilir.serving.server.telemetry.request_ids import HEADER, HTTP_HEADER, RequestIds
from hilir.serving.server.telemetry.tracing import HEADER as TRACE_HEADER

logger = logging.getLogger(__name__)
METRICS_PATH = "/monitoring/prometheus/metrics"
_JSON = ("Content-Type", "application/json")
_CORS = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "POST, GET"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Encoding, Content-Type, X-Request-Id"),
]
_HEADER_KEY = HEADER.encode()
_TRACE_KEY = TRACE_HEADER.encode()


@dataclass(frozen=True)
class RestOptions:
    """Flags of the REST API."""

    timeout_seconds: float = 30.0
    cors: bool = False
    prometheus_path: str | None = METRICS_PATH
    check_method: bool = False
    open_metrics: bool = False


class RestApi:
    """Handles HTTP requests; everything here runs on the event loop.

    Args:
        service: runs inference requests.
        recorder: writes the metrics of the others.
        ids: chooses the id that an answer carries.
        tokens: bearer tokens, one of which calls must carry; None asks for none.
        outcomes: takes what became of predictions; None does not.
    """

    def __init__(
        self,
        core: ServerCore,
        service: InferenceService,
        recorder: Recorder,
        metrics: Metrics,
        options: RestOptions,
        ids: RequestIds,
        tokens: Tokens | None = None,
        outcomes: OutcomeEndpoint | None = None,
    ) -> None:
        self.outcomes = outcomes
        self.core = core
        self.service = service
        self.recorder = recorder
        self.metrics = metrics
        self.options = options
        self.ids = ids
        self.tokens = tokens
        self.draining = False
        paths = {options.prometheus_path, "/metrics"}
        self._metrics_paths = frozenset[str | None]() if options.open_metrics else frozenset(paths)

    def handle(self, request: Request, respond: Respond) -> None:
        """Answer one request, now or later; every answer carries the request's id."""
        path = request.target.decode("utf-8", "surrogateescape")
        request_id = self.ids.choose(request.headers.get(_HEADER_KEY))
        if not API.fullmatch(path):
            if path.split("?", 1)[0] in self._metrics_paths:
                refused = self._refusal(request, Scope.ADMIN, request_id)
                if refused is not None:
                    respond(refused)
                    return
            response = self._handle_other(path, request)
            response.headers.append((HTTP_HEADER, request_id))
            respond(response)
            return
        # A browser's preflight carries no token (https://fetch.spec.whatwg.org/#cors-preflight-fetch).
        takes_outcomes = self.outcomes is not None and request.method == "POST" and path == PATH
        if not (self.options.cors and request.method == "OPTIONS"):
            needed = Scope.OUTCOMES if takes_outcomes else Scope.PREDICT if request.method == "POST" else None
            refused = self._refusal(request, needed, request_id)
            if refused is not None:
                respond(refused)
                return
        if request.method == "OPTIONS":
            origin = request.headers.get(b"origin", b"")
            allowed = re.search(rb"https?://", origin) is not None
            self.recorder.lookup("", Code.OK if allowed else Code.FAILED_PRECONDITION, time.perf_counter())
            headers = [(HTTP_HEADER, request_id), *(_CORS if self.options.cors else [])]
            respond(Response(200 if allowed else 400, b"", headers))
            return
        if takes_outcomes and self.outcomes is not None:
            self.outcomes.take(
                request.body, lambda status, body: respond(Response(status, body, self._headers(request_id)))
            )
            return
        self._dispatch(request, path, request_id, respond)

    def _refusal(self, request: Request, scope: Scope | None, request_id: str) -> Response | None:
        if self.tokens is None:
            return None
        error = self.tokens.refusal(request.headers.get(b"authorization", b""), scope)
        if error is None:
            return None
        self.recorder.refused("unauthenticated" if error.code is Code.UNAUTHENTICATED else "permission_denied")
        return self._error(error, request_id, [("WWW-Authenticate", "Bearer")])

    def _dispatch(self, request: Request, path: str, request_id: str, respond: Respond) -> None:
        start = time.perf_counter()
        model = ""
        try:
            target = parse_target(request.method, path)
            if target is None:
                raise invalid_argument(f"Malformed request: {request.method} {path}")
            model = target.model
            if request.method == "POST":
                self._infer(request, target, request_id, respond)
                return
            response = Response(200, self._get(target), self._headers(request_id))
            code = Code.OK
        except VersionError as error:
            response, code = Response(400, b"", self._headers(request_id)), error.code
        except Exception as error:  # noqa: BLE001 - as_status reports what is not a StatusError
            reported = as_status(error, request_id)
            response, code = self._error(reported, request_id), reported.code
        self.recorder.lookup(model, code, start)
        respond(response)

    def _handle_other(self, path: str, request: Request) -> Response:
        bare = path.split("?", 1)[0]
        text = [("Content-Type", "text/plain")]
        if bare == "/healthz":
            return Response(200, b"ok\n", text)
        if bare == "/readyz":
            ready = self.core.is_ready() and not self.draining
            return Response(200, b"ready\n", text) if ready else Response(503, b"not ready\n", text)
        if bare in (self.options.prometheus_path, "/metrics"):
            if path != bare:
                return Response(400, f"Unexpected path: {path}. Should be {bare}".encode(), text)
            self.metrics.in_flight.set(to=self.service.in_flight)
            model_status.update_gauges(self.core, self.metrics)
            return Response(200, self.metrics.page().encode("utf-8", "replace"), text)
        logger.debug("nothing at %s %s", request.method, path)
        return error_page(404)

    def _get(self, target: Target) -> bytes:
        if not target.model:
            raise invalid_argument("Missing model name in request.")
        if target.action == "metadata":
            return model_status.metadata(self.core, target)
        return model_status.status(self.core, target)

    def _infer(self, request: Request, target: Target, request_id: str, respond: Respond) -> None:
        body, seconds = request.body, self.options.timeout_seconds
        call = Call(
            "REST",
            target.action,
            request_id,
            len(body),
            seconds if seconds > 0 else None,
            partial(prepare, target, body, self.options.check_method),
            target.model,
            traceparent=request.headers.get(_TRACE_KEY),
        )
        try:
            outcome = self.service.infer(call)
        except StatusError as error:
            respond(self._error(error, request_id))
            return
        if isinstance(outcome, Answer):
            respond(self._success(outcome, request_id))
        else:
            outcome.add_done_callback(partial(self._respond_later, request_id, respond))

    def _respond_later(self, request_id: str, respond: Respond, future: asyncio.Future[Answer]) -> None:
        try:
            response = self._success(future.result(), request_id)
        except StatusError as error:
            response = self._error(error, request_id)
        respond(response)

    def _success(self, answer: Answer, request_id: str) -> Response:
        headers = self._headers(request_id)
        headers.append(("X-Model-Version", answer.version))
        if answer.label:
            headers.append(("X-Model-Label", answer.label))
        return Response(200, answer.body, headers)

    def _headers(self, request_id: str) -> list[tuple[str, str]]:
        headers = [_JSON, (HTTP_HEADER, request_id)]
        return headers + _CORS if self.options.cors else headers

    def _error(self, error: StatusError, request_id: str, more: list[tuple[str, str]] | None = None) -> Response:
        headers = self._headers(request_id) + (more or [])
        status = 503 if isinstance(error, OverBudget) else HTTP_STATUS[error.code]
        return Response(status, encode_error(error.message), headers)
