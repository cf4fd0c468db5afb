"""Bytes of a connection to whole requests: parsing with httptools, limits, and offers that are not taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import httptools

from hilir.serving.server.inference.memory import Loan, OverBudget
from hilir.serving.server.rest.http_message import Request
from hilir.serving.server.rest.http_shared import Shared

_MAX_HEADERS = 100
# Headers whose value is a list: several lines are one list (RFC 9110, section 5.3).
_LISTS = frozenset({b"connection", b"content-encoding", b"expect", b"transfer-encoding"})
_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


class Refused(Exception):
    """What was sent cannot be read on; the status says why, and a message where there is more to say."""

    def __init__(self, status: int, message: str = "") -> None:
        self.status = status
        self.message = message
        super().__init__(status)


@dataclass(slots=True)
class Incoming:
    """A whole request, its body as it was sent, and what it holds of the budget."""

    request: Request
    loan: Loan
    keep_alive: bool
    http_1_0: bool


class RequestReader:
    """Reads the requests of one connection.

    Args:
        shared: the limits, and the budget of what all connections may hold together.
        take: called with each whole request.
        expect: called when a client waits for `100 Continue` before it sends the body.
    """

    def __init__(self, shared: Shared, peer: str, take: Callable[[Incoming], None], expect: Callable[[], None]) -> None:
        self.shared = shared
        self.peer = peer
        self.take = take
        self.expect = expect
        self.parser = httptools.HttpRequestParser(self)
        self._reset()

    def _reset(self) -> None:
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []
        self.body_size = 0
        self.loan = Loan(self.shared.budget)
        self.header_size = 0
        self.fields_size = 0
        self.in_body = False
        self.offered = False
        self.refusal = Refused(400)

    def feed(self, data: bytes) -> None:
        """Read some bytes, of one or more requests.

        Raises:
            Refused: they are not HTTP, or exceed a limit; where the next request begins is unknown.
        """
        if not self.in_body:
            self.header_size += len(data)
        rest: memoryview | None = memoryview(data)
        try:
            while rest is not None:
                rest = self._feed(rest)
        except httptools.HttpParserError:
            raise self.refusal from None
        if not self.in_body and self.header_size > self.shared.limits.max_header + len(data):
            raise Refused(431)

    def forget(self) -> None:
        """Give back what the unfinished request holds."""
        self.loan.give_back()
        self.body_size = 0
        self.body = []

    def _feed(self, data: memoryview) -> memoryview | None:
        """Parse; returns what is left to be parsed after the head of a request with an offer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self._ignore_offer()
            return data[stopped.args[0] :]
        return None

    def _ignore_offer(self) -> None:
        """Read the head again without its Upgrade: to ignore the offer is always right (RFC 9110, section 7.8).

        llhttp stops at the end of such a head, and takes what follows for another protocol.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise Refused(400)
        version = self.parser.get_http_version().encode()
        options = [option.strip() for option in self.headers.pop(b"connection", b"").split(b",")]
        self.headers.pop(b"upgrade", None)
        self.headers[b"connection"] = b", ".join(option for option in options if option.lower() != b"upgrade")
        lines = [b"%b %b HTTP/%b" % (method, self.target, version)]
        lines += [b"%b: %b" % header for header in self.headers.items()]
        self._reset()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(b"\r\n".join(lines) + b"\r\n\r\n")

    # httptools' callbacks

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self.target += url
        if len(self.target) > self.shared.limits.max_header:
            self._stop(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; fields after a chunked body are not headers (RFC 9110, section 6.5.1)."""
        self.fields_size += len(name) + len(value)
        if self.fields_size > self.shared.limits.max_header:
            self._stop(431)
        if self.in_body:
            return
        name = name.lower()
        if name in self.headers:
            if name in _LISTS:
                value = self.headers[name] + b", " + value
        elif len(self.headers) >= _MAX_HEADERS:
            self._stop(431)
        self.headers[name] = value

    def on_headers_complete(self) -> None:
        """All headers are there: refuse early what is refused anyway."""
        if self.parser.should_upgrade():
            self.offered = True
            return
        self.in_body = True
        self.header_size = 0
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.shared.limits.max_body:
            self._stop(413)
        expects = b"100-continue" in self.headers.get(b"expect", b"").lower()
        # HTTP/1.0 has no interim answers (RFC 9110, section 10.1.1).
        if expects and self.parser.get_http_version() != "1.0":
            self.expect()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self.body_size += len(body)
        if self.body_size > self.shared.limits.max_body:
            self._stop(413)
        try:
            self.loan.take(len(body))
        except OverBudget as error:
            self._stop(503, error.message)
        self.body.append(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self.offered:
            return
        body = self.body[0] if len(self.body) == 1 else b"".join(self.body)
        method = self.parser.get_method().decode("latin-1")
        request = Request(method, origin_form(self.target), self.headers, body, self.peer)
        http_1_0 = self.parser.get_http_version() == "1.0"
        incoming = Incoming(request, self.loan, self.parser.should_keep_alive(), http_1_0)
        self._reset()
        self.take(incoming)

    def _stop(self, status: int, message: str = "") -> NoReturn:
        """Leave the parser with a refusal."""
        self.refusal = Refused(status, message)
        raise ValueError(status)


def origin_form(target: bytes) -> bytes:
    """A request target without its scheme and host: a server accepts both forms (RFC 9112, section 3.2.2)."""
    if target.startswith(b"/"):
        return target
    authority = _AUTHORITY.match(target)
    if authority is None:
        return target
    path = target[authority.end() :]
    return path if path.startswith(b"/") else b"/" + path
