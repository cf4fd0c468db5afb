"""All HTTP connections of a server: their number, their memory, the sweep for slow ones, and draining."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

from hilir.serving.server.rest.http_connection import Connection
from hilir.serving.server.rest.http_message import Handler, HttpLimits, Response
from hilir.serving.server.telemetry.request_ids import HTTP_HEADER, RequestIds


class HttpServer:
    """Connections of one listening server: their number, their buffered bytes, and the sweep for slow ones."""

    def __init__(self, handler: Handler, limits: HttpLimits) -> None:
        self.handler = handler
        self.limits = limits
        self.connections: set[Connection] = set()
        self.buffered = 0
        self.draining = False
        self._ids = RequestIds()
        self._date = (0, "")

    def factory(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(self)

    def missing_id(self, response: Response) -> list[str]:
        """The line with a new id for an answer that no handler gave: to what is no request, or one request too many."""
        if any(name == HTTP_HEADER for name, _ in response.headers):
            return []
        return [f"{HTTP_HEADER}: {self._ids.choose(None)}"]

    def date(self) -> str:
        """The Date header's value, made once a second."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]

    async def sweep(self) -> None:
        """Close connections that are too slow or idle for too long; runs until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for connection in list(self.connections):
                connection.check(now)

    async def drain(self, seconds: float) -> None:
        """Let running requests finish, then close every connection."""
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()
        deadline = time.monotonic() + seconds
        while self.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
