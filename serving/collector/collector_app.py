"""Takes outcomes over HTTP.

POST /v1/outcomes   a batch, as `serving.outcomes.records` describes it; with a token of the scope `outcomes`
GET  /healthz       without; 200 while the process works
GET  /readyz        without; 200 while the database answers, else 503
GET  /metrics       with a token of the scope `admin`; how many outcomes and batches have come, for Prometheus
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hilir.serving.outcomes.outcome_store import OutcomeStore, StoreFailed
from hilir.serving.outcomes.receive import MAX_BYTES, PATH, receive
from hilir.serving.server.security.tokens import Scope, Tokens
from hilir.serving.server.status import HTTP_STATUS
from hilir.serving.server.telemetry.outcome_counters import OutcomeCounters

_BODY_SECONDS = 20.0
_JSON = "application/json"


def make_app(store: OutcomeStore, tokens: Tokens | None) -> Starlette:
    """Returns the web application.

    Args:
        store: where outcomes go.
        tokens: those who may send them; None asks for none.
    """

    counters = OutcomeCounters()

    def refuse(request: Request, scope: Scope) -> Response | None:
        if tokens is None:
            return None
        refused = tokens.refusal(request.headers.get("Authorization", "").encode("latin-1", "replace"), scope)
        if refused is None:
            return None
        return _refuse(HTTP_STATUS[refused.code], refused.message, {"WWW-Authenticate": "Bearer"})

    async def outcomes(request: Request) -> Response:
        refused = refuse(request, Scope.OUTCOMES)
        if refused is not None:
            return refused
        try:
            body = await _read_body(request)
        except TimeoutError:
            return _refuse(HTTPStatus.REQUEST_TIMEOUT, f"the body did not arrive within {_BODY_SECONDS:g} s")
        except ClientDisconnect:
            return _refuse(HTTPStatus.BAD_REQUEST, "the connection ended within the body")
        received = await run_in_threadpool(receive, store, body)
        counters.note(received)
        return Response(received.answer, received.status, media_type=_JSON)

    def metrics(request: Request) -> Response:
        return refuse(request, Scope.ADMIN) or PlainTextResponse(counters.page())

    def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    def readyz(_: Request) -> Response:
        try:
            store.ping()
        except StoreFailed:
            return PlainTextResponse("the database does not answer\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ready\n")

    unknown = {HTTPStatus.NOT_FOUND: _refuse_path, HTTPStatus.METHOD_NOT_ALLOWED: _refuse_path}
    routes = [
        Route(PATH, outcomes, methods=["POST"]),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]
    return Starlette(routes=routes, exception_handlers=unknown)


async def _read_body(request: Request) -> bytes:
    """Returns the body; of one that is too long just enough to see that."""
    data = bytearray()
    async with asyncio.timeout(_BODY_SECONDS):
        async for chunk in request.stream():
            if len(data) <= MAX_BYTES:
                data += chunk
    return bytes(data)


def _refuse(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps({"error": message}) + "\n", status, headers, _JSON)


def _refuse_path(_request: Request, _error: Exception) -> Response:
    return _refuse(HTTPStatus.NOT_FOUND, f"there are POST {PATH}, GET /healthz, /readyz and /metrics")
