"""One HTTP/1.1 connection: parsing with httptools, pipelining in order, limits, one write per response."""

from __future__ import annotations

import asyncio
import socket
import time
import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httptools

from hilir.serving.server.rest.http_message import REASONS, Request, Response, error_page

if TYPE_CHECKING:
    from hilir.serving.server.rest.http_server import HttpServer

_MAX_PIPELINED = 32
_MAX_HEADERS = 100
_LINGER_SECONDS = 2.0


class Connection(asyncio.Protocol):
    """One client's connection. Requests are handled one after the other, in the order they came."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self.parser = httptools.HttpRequestParser(self)
        self.transport: Any = None
        self.peer = ""
        self.waiting: deque[tuple[Request, int, bool]] = deque()
        self.busy = False
        self.broken = False
        self.ended = False
        self.reading_since: float | None = None
        self.last_data = time.monotonic()
        self.write_paused_since: float | None = None
        self.lingering_since: float | None = None
        self._reset()

    def _reset(self) -> None:
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []
        self.body_size = 0
        self.header_size = 0
        self.in_body = False
        self.refusal: Response | None = None

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else "unix"
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.server.connections) >= self.server.limits.max_connections:
            self._send(error_page(503), keep_alive=False)
            return
        self.server.connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The client is gone; a running request finishes unheard."""
        self.server.connections.discard(self)
        self._forget_buffered()
        self.server.buffered -= sum(size for _, size, _ in self.waiting)
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
        if not self.in_body:
            self.header_size += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(error_page(400))
        except httptools.HttpParserError:
            self._refuse(self.refusal or error_page(400))
        if not self.in_body and self.header_size > self.server.limits.max_header + len(data):
            self._refuse(error_page(431))

    # httptools' callbacks

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self.target += url
        if len(self.target) > self.server.limits.max_header:
            self._stop(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if len(self.headers) >= _MAX_HEADERS:
            self._stop(431)
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """All headers are there: refuse early what is refused anyway."""
        self.in_body = True
        self.header_size = 0
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.server.limits.max_body:
            self._stop(413)
        if self.server.buffered > self.server.limits.max_buffered:
            self._stop(503)
        if self.headers.get(b"expect", b"").lower() == b"100-continue" and self.transport is not None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self.body_size += len(body)
        self.server.buffered += len(body)
        if self.body_size > self.server.limits.max_body:
            self._stop(413)
        if self.server.buffered > self.server.limits.max_buffered:
            self._stop(503)
        self.body.append(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        body = self.body[0] if len(self.body) == 1 else b"".join(self.body)
        if self.headers.get(b"content-encoding", b"").lower() == b"gzip":
            body = self._inflate(body)
        method = self.parser.get_method().decode("latin-1")
        request = Request(method, self.target, self.headers, body, self.peer)
        self.waiting.append((request, self.body_size, self.parser.should_keep_alive()))
        self._reset()
        self.reading_since = None
        if len(self.waiting) >= _MAX_PIPELINED and self.transport is not None:
            self.transport.pause_reading()
        self._next()

    # ours

    def _inflate(self, body: bytes) -> bytes:
        """A gzip body; TensorFlow Serving's HTTP server inflates them, too."""
        inflater = zlib.decompressobj(wbits=31)
        try:
            plain = inflater.decompress(body, self.server.limits.max_body + 1)
        except zlib.error:
            self._stop(400)
        if len(plain) > self.server.limits.max_body:
            self._stop(413)
        if not inflater.eof:
            self._stop(400)
        return plain

    def _stop(self, status: int) -> None:
        """Leave the parser with a refusal."""
        self.refusal = error_page(status)
        raise ValueError(status)

    def _forget_buffered(self) -> None:
        self.server.buffered -= self.body_size
        self.body_size = 0

    def _refuse(self, response: Response) -> None:
        """Answer a request that cannot be read, and close: where the next one begins is unknown."""
        if self.broken:
            return
        self.broken = True
        self._forget_buffered()
        self.body = []
        if self.transport is None:
            return
        if not self.busy and not self.waiting:
            self._send(response, keep_alive=False)
        else:
            self.refusal = response

    def _next(self) -> None:
        """Handle the next waiting request, unless one is running or the client does not read."""
        while self.waiting and not self.busy and self.transport is not None and self.write_paused_since is None:
            request, size, keep_alive = self.waiting.popleft()
            if len(self.waiting) == _MAX_PIPELINED - 1 and not self.broken:
                self.transport.resume_reading()
            self.busy = True
            head = request.method == "HEAD"
            self.server.handler(request, _Answer(self, size, keep_alive, head).send)
        if self.broken and self.refusal is not None and not self.busy and not self.waiting:
            refusal, self.refusal = self.refusal, None
            self._send(refusal, keep_alive=False)

    def answered(self, response: Response, keep_alive: bool, head: bool) -> None:
        """Send a response and go on."""
        if not self.busy:
            return
        self.busy = False
        if self.transport is None:
            return
        last = response.close or self.server.draining or (self.ended and not self.waiting)
        self._send(response, keep_alive and not last, head)
        self.last_data = time.monotonic()
        if self.waiting or self.broken:
            # Not from here: a client that pipelines would otherwise deepen the stack with each request.
            asyncio.get_running_loop().call_soon(self._next)

    def _send(self, response: Response, keep_alive: bool, head: bool = False) -> None:
        if self.transport is None:
            return
        lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        lines += self.server.missing_id(response)
        lines.append(f"Date: {self.server.date()}")
        lines.append(f"Content-Length: {len(response.body)}")
        if not keep_alive:
            lines.append("Connection: close")
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
        limits = self.server.limits
        if self.lingering_since is not None:
            if now - self.lingering_since > _LINGER_SECONDS:
                self.abort()
        elif self.write_paused_since is not None and now - self.write_paused_since > limits.write_stall_seconds:
            self.abort()
        elif self.reading_since is not None and not self.busy:
            slow_header = not self.in_body and now - self.reading_since > limits.header_seconds
            stalled = self.in_body and now - self.last_data > limits.body_stall_seconds
            if slow_header or stalled or self._is_trickling(now):
                self._refuse(error_page(408))
        elif not self.busy and not self.waiting and now - self.last_data > limits.idle_seconds:
            self.abort()

    def _is_trickling(self, now: float) -> bool:
        """A body that comes, but at less than 1 kB/s over a long time, only holds the connection."""
        if self.reading_since is None:
            return False
        seconds = now - self.reading_since
        return seconds > 60 and self.body_size < 1024 * seconds

    def close_if_idle(self) -> None:
        """On shutdown: close at once what has no request running or arriving."""
        idle = not self.busy and not self.waiting and self.reading_since is None
        if self.transport is not None and (idle or self.lingering_since is not None):
            self.transport.close()

    def abort(self) -> None:
        """Drop the connection."""
        if self.transport is not None:
            self.transport.abort()


@dataclass(slots=True)
class _Answer:
    """Carries one request's response to its connection, once."""

    connection: Connection
    size: int
    keep_alive: bool
    head: bool
    sent: bool = False

    def send(self, response: Response) -> None:
        if not self.sent:
            self.sent = True
            self.connection.server.buffered -= self.size
            self.connection.answered(response, self.keep_alive, self.head)
