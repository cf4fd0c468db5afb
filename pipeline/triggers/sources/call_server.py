"""The HTTP side of the daemon: takes calls for a run, tells its health and its status.

POST /runs      with `Authorization: Bearer TOKEN`; optional JSON body {"why": text,
                    "spans": [{"span": number, "version": number or null}]};
                202 when the call is written down; with an `Idempotency-Key` a repeated call is the same call
GET  /status    with the token; what `hilir watch status --json` prints
GET  /healthz   without; 200 while the daemon works
"""

from __future__ import annotations

import hmac
import json
import threading
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hilir.pipeline.triggers.daemon.state import State
from hilir.pipeline.triggers.sources.payload import Payload, Span

_MOST_BYTES = 65_536
_MOST_CONNECTIONS = 16
_SECONDS = 10.0


class _SpanBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    span: int = Field(ge=0)
    version: int | None = Field(default=None, ge=0)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    why: str = Field(default="no reason given", min_length=1, max_length=500)
    spans: list[_SpanBody] = Field(default=[], max_length=1000)


class Refused(Exception):
    """A request that is answered with an error; the message is the text for the caller."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        """`status`: of the answer."""
        self.status = status
        super().__init__(message)


class CallServer(ThreadingHTTPServer):
    """Serves in threads of its own until `shutdown`."""

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        token: str,
        state: State,
        describe: Callable[[], dict[str, Any]],
        is_healthy: Callable[[], bool],
    ) -> None:
        """Binds the address.

        Raises:
            OSError: the address is taken or not of this machine.
        """
        self._token = token.encode()
        self.state, self.describe, self.is_healthy = state, describe, is_healthy
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def accepts(self, authorization: str | None) -> bool:
        """Says whether the header holds the token, in a time that does not depend on how much of it is right."""
        given = (authorization or "").encode("latin-1", "replace")
        return hmac.compare_digest(given, b"Bearer " + self._token)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Refuses a connection beyond the bound instead of starting a thread for it."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Gives the connection's place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()


class _Handler(BaseHTTPRequestHandler):
    server: CallServer
    timeout = _SECONDS
    server_version, sys_version = "hilir", ""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: what was asked is in the state."""

    def _answer(self, act: Callable[[], tuple[HTTPStatus, dict[str, Any]]]) -> None:
        try:
            status, body = act()
        except Refused as refusal:
            status, body = refusal.status, {"error": str(refusal)}
        text = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(text)

    def _get(self) -> tuple[HTTPStatus, dict[str, Any]]:
        if self.path == "/healthz":
            healthy = self.server.is_healthy()
            return (HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE), {"healthy": healthy}
        if self.path != "/status":
            raise Refused(HTTPStatus.NOT_FOUND, "there are POST /runs, GET /status and GET /healthz")
        self._require_token()
        return HTTPStatus.OK, self.server.describe()

    def _post(self) -> tuple[HTTPStatus, dict[str, Any]]:
        if self.path != "/runs":
            raise Refused(HTTPStatus.NOT_FOUND, "there are POST /runs, GET /status and GET /healthz")
        self._require_token()
        body = self._read_body()
        key = self.headers.get("Idempotency-Key") or str(uuid.uuid4())
        if len(key) > 200:
            raise Refused(HTTPStatus.BAD_REQUEST, "Idempotency-Key is longer than 200 characters")
        spans = tuple(Span(each.span, each.version) for each in body.spans)
        new = self.server.state.add_call(key, Payload("call", body.why, spans), time.time())
        return HTTPStatus.ACCEPTED, {"key": key, "known": not new}

    def _require_token(self) -> None:
        if not self.server.accepts(self.headers.get("Authorization")):
            raise Refused(HTTPStatus.UNAUTHORIZED, "send 'Authorization: Bearer TOKEN' with the daemon's token")

    def _read_body(self) -> _Body:
        if self.headers.get("Transfer-Encoding"):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "send Content-Length, not chunks")
        text = self.headers.get("Content-Length", "0")
        if not text.isascii() or not text.isdigit():
            raise Refused(HTTPStatus.BAD_REQUEST, f"Content-Length is '{text[:40]}', not a number")
        if int(text) > _MOST_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have {_MOST_BYTES} bytes")
        try:
            data = self.rfile.read(int(text))
        except OSError:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {_SECONDS:g} s") from None
        try:
            return _Body.model_validate_json(data or b"{}")
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(str(part) for part in each['loc']) or 'body'}: {each['msg']}" for each in error.errors()
            )
            raise Refused(HTTPStatus.BAD_REQUEST, faults) from None
