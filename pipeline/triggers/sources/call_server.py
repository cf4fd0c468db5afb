"""The HTTP side of the daemon: takes calls for a run, reports its health and its status.

POST /runs      with `Authorization: Bearer TOKEN`; optional JSON body {"why": string,
                    "spans": [{"span": number, "version": number or null}]};
                202 when the call is written down; with an `Idempotency-Key` a repeated call is the same call
GET  /status    with the token; what `hilir watch status --json` prints
GET  /healthz   without; 200 while the daemon works
"""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.sources.payload import Payload, Span
from hilir.serving.web import read_body

_MOST_BYTES = 65_536


class _SpanBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    span: int = Field(ge=0)
    version: int | None = Field(default=None, ge=0)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    why: str = Field(default="no reason given", min_length=1, max_length=500)
    spans: list[_SpanBody] = Field(default=[], max_length=1000)


def make_call_app(
    token: str, state: State, describe: Callable[[], dict[str, Any]], is_healthy: Callable[[], bool]
) -> Starlette:
    """Returns the web application.

    Args:
        token: what a caller must send.
        state: where calls are written down.
        describe: the answer to /status.
        is_healthy: whether the daemon works.
    """

    def healthz(_: Request) -> Response:
        healthy = is_healthy()
        return JSONResponse({"healthy": healthy}, HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE)

    def status(request: Request) -> Response:
        _require_token(request, token)
        return JSONResponse(describe())

    async def runs(request: Request) -> Response:
        _require_token(request, token)
        body = _parse(await read_body(request, _MOST_BYTES))
        key = request.headers.get("Idempotency-Key") or str(uuid.uuid4())
        if len(key) > 200:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "Idempotency-Key is longer than 200 characters")
        spans = tuple(Span(each.span, each.version) for each in body.spans)
        new = await run_in_threadpool(state.add_call, key, Payload("call", body.why, spans), time.time())
        return JSONResponse({"key": key, "known": not new}, HTTPStatus.ACCEPTED)

    routes = [
        Route("/healthz", healthz),
        Route("/status", status),
        Route("/runs", runs, methods=["POST"]),
    ]
    unknown = {HTTPStatus.NOT_FOUND: _refuse_path, HTTPStatus.METHOD_NOT_ALLOWED: _refuse_path}
    return Starlette(routes=routes, exception_handlers={HTTPException: _refuse, **unknown})


def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _refuse_path(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "there are POST /runs, GET /status and GET /healthz"}, HTTPStatus.NOT_FOUND)


def _require_token(request: Request, token: str) -> None:
    """Compares in a time that does not depend on how much of the token is right."""
    given = request.headers.get("Authorization", "").encode("latin-1", "replace")
    if not hmac.compare_digest(given, b"Bearer " + token.encode()):
        raise HTTPException(
            HTTPStatus.UNAUTHORIZED,
            "send 'Authorization: Bearer TOKEN' with the daemon's token",
            {"WWW-Authenticate": "Bearer"},
        )


def _parse(data: bytes) -> _Body:
    try:
        return _Body.model_validate_json(data or b"{}")
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'body'}: {each['msg']}" for each in error.errors()
        )
        raise HTTPException(HTTPStatus.BAD_REQUEST, faults) from None
