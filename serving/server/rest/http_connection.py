"""One HTTP/1.1 connection: requests in order, pipelining, deadlines, one write per response."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hilir.serving.server.rest.http_decoding import decode_request
from hilir.serving.server.rest.http_message import REASONS, Response, error_json, error_page
from hilir.serving.server.rest.http_reader import Incoming, Refused, RequestReader
from hilir.serving.server.rest.http_shared import Shared

_MAX_PIPELINED = 32
_LINGER_SECONDS = 2.0


class Connection(asyncio.Protocol):
    """One client's connection. Requests are handled one after the other, in the order they came."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.reader = RequestReader(shared, "", self._take, self._expect)
        self.transport: Any = None
        self.waiting: deque[Incoming] = deque()
        self.busy = False
        self.broken = False
        self.ended = False
        self.continue_due = False
        self.refusal: Response | None = None
        self.reading_since: float | None = None
        self.last_data = time.monotonic()
        self.write_paused_since: float | None = None
        self.lingering_since: float | None = None

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.reader.peer = str(peer[0]) if isinstance(peer, tuple) else "unix"
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.shared.connections) >= self.shared.limits.max_connections:
            self.shared.turn_away(self)
            # What the client sends is thrown away until it has read the answer, which a reset would take from it.
            self.broken = True
            self._send(error_page(503), keep_alive=False, headers={})
            return
        self.shared.connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The client is gone; a running request finishes unheard."""
        self.shared.forget(self)
        self.reader.forget()
        for incoming in self.waiting:
            incoming.loan.give_back()
        self.waiting.clear()
        self.transport = None

    def eof_received(self) -> bool:
        """The client sends no more; what it has sent whole is still answered. (TLS cannot be closed by halves.)"""
        self.ended = True
        return (self.busy or bool(self.waiting)) and self.transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """The client reads slower than we answer."""
        self.write_paused_since = time.monotonic()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.write_paused_since = None
        self._next()

    def data_received(self, data: bytes) -> None:
        """Bytes of one or more requests."""
        if self.broken or self.transport is None:
            return
        self.last_data = time.monotonic()
        if self.reading_since is None:
            self.reading_since = self.last_data
        try:
            self.reader.feed(data)
        except Refused as refused:
            status, message = refused.status, refused.message
            self._refuse(error_json(status, message, close=True) if message else error_page(status))

    # ours

    def _take(self, incoming: Incoming) -> None:
        """A request is whole."""
        self.waiting.append(incoming)
        self.continue_due = False
        self.reading_since = None
        if len(self.waiting) >= _MAX_PIPELINED and self.transport is not None:
            self.transport.pause_reading()
        self._next()

    def _expect(self) -> None:
        """A client waits for `100 Continue`."""
        self.continue_due = True
        self._send_continue()

    def _send_continue(self) -> None:
        """Send `100 Continue`, but never before the answers to earlier requests."""
        if self.continue_due and not self.busy and not self.waiting and not self.broken and self.transport is not None:
            self.continue_due = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, response: Response) -> None:
        """Answer a request that cannot be read, and close: where the next one begins is unknown."""
        if self.broken:
            return
        self.broken = True
        self.reader.forget()
        if self.transport is None:
            return
        if not self.busy and not self.waiting:
            self._send(response, keep_alive=False, headers=self.reader.headers)
        else:
            self.refusal = response

    def _next(self) -> None:
        """Handle the next waiting request, unless one is running or the client does not read."""
        while self.waiting and not self.busy and self.transport is not None and self.write_paused_since is None:
            incoming = self.waiting.popleft()
            if len(self.waiting) == _MAX_PIPELINED - 1 and not self.broken:
                self.transport.resume_reading()
            self.busy = True
            answer = _Answer(self, incoming)
            if b"content-encoding" in incoming.request.headers:
                decode_request(self.shared, incoming.request, incoming.loan, answer.send)
            else:
                self.shared.handler(incoming.request, answer.send)
        if self.broken and self.refusal is not None and not self.busy and not self.waiting:
            refusal, self.refusal = self.refusal, None
            self._send(refusal, keep_alive=False, headers=self.reader.headers)
        self._send_continue()

    def answered(self, response: Response, incoming: Incoming) -> None:
        """Send a response and continue."""
        if not self.busy:
            return
        self.busy = False
        if self.transport is None:
            return
        last = response.close or self.shared.draining or (self.ended and not self.waiting)
        head = incoming.request.method == "HEAD"
        self._send(response, incoming.keep_alive and not last, incoming.request.headers, head, incoming.http_1_0)
        self.last_data = time.monotonic()
        if self.waiting or self.broken or self.continue_due:
            # Not from here: a client that pipelines would otherwise deepen the stack with each request.
            asyncio.get_running_loop().call_soon(self._next)

    def _send(
        self,
        response: Response,
        keep_alive: bool,
        headers: Mapping[bytes, bytes],
        head: bool = False,
        http_1_0: bool = False,
    ) -> None:
        """Send an answer to the request with these headers."""
        if self.transport is None:
            return
        lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        lines += self.shared.missing_id(response, headers)
        lines.append(f"Date: {self.shared.date()}")
        lines.append(f"Content-Length: {len(response.body)}")
        if not keep_alive:
            lines.append("Connection: close")
        elif http_1_0:
            # There a connection closes unless the answer says otherwise (RFC 9112, section 9.3).
            lines.append("Connection: keep-alive")
        text = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        self.transport.write(text if head else text + response.body)
        if not keep_alive:
            self._close()

    def _close(self) -> None:
        """Close after an answer; one that came early is lost if unread bytes of the request are thrown away."""
        early = self.broken
        self.broken = True
        if early and self.transport.can_write_eof():
            self.transport.write_eof()
            self.lingering_since = time.monotonic()
        else:
            self.transport.close()

    def check(self, now: float) -> None:
        """Close the connection if the client is too slow in sending, in reading, or idle for too long."""
        limits = self.shared.limits
        if self.lingering_since is not None:
            if now - self.lingering_since > _LINGER_SECONDS:
                self.abort()
        elif self.write_paused_since is not None and now - self.write_paused_since > limits.write_stall_seconds:
            self.abort()
        elif self.reading_since is not None and not self.busy:
            slow_header = not self.reader.in_body and now - self.reading_since > limits.header_seconds
            stalled = self.reader.in_body and now - self.last_data > limits.body_stall_seconds
            if slow_header or stalled or self._is_trickling(now):
                self._refuse(error_page(408))
        elif not self.busy and not self.waiting and now - self.last_data > limits.idle_seconds:
            self.abort()

    def _is_trickling(self, now: float) -> bool:
        """A body that comes, but at less than 1 kB/s over a long time, only holds the connection."""
        if self.reading_since is None:
            return False
        seconds = now - self.reading_since
        return seconds > 60 and self.reader.body_size < 1024 * seconds

    def close_if_idle(self) -> None:
        """On shutdown: close at once what has no request running or arriving."""
        idle = not self.busy and not self.waiting and self.reading_since is None
        if self.transport is not None and (idle or self.lingering_since is not None):
            self.transport.close()

    def refuse_if_arriving(self) -> None:
        """On shutdown: answer 503 to a request that has not come whole."""
        if not self.busy and not self.waiting and self.reading_since is not None:
            self._refuse(error_page(503))

    def abort(self) -> None:
        """Drop the connection."""
        if self.transport is not None:
            self.transport.abort()


@dataclass(slots=True)
class _Answer:
    """Carries one request's response to its connection, once."""

    connection: Connection
    incoming: Incoming
    sent: bool = False

    def send(self, response: Response) -> None:
        if not self.sent:
            self.sent = True
            self.incoming.loan.give_back()
            self.connection.answered(response, self.incoming)
