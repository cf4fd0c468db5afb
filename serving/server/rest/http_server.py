"""All HTTP connections of a server: the sweep for slow ones, and draining."""

from __future__ import annotations

import asyncio
import time

from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.rest.http_connection import Connection
from hilir.serving.server.rest.http_message import Handler, HttpLimits
from hilir.serving.server.rest.http_shared import Shared


class HttpServer:
    """Connections of one listening server."""

    def __init__(self, handler: Handler, limits: HttpLimits, budget: MemoryBudget) -> None:
        self.shared = Shared(handler, limits, budget)

    def factory(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(self.shared)

    async def sweep(self) -> None:
        """Close connections that are too slow or idle for too long; runs until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for connection in list(self.shared.connections):
                connection.check(now)

    async def drain(self, seconds: float) -> None:
        """Let running requests finish, then close every connection."""
        self.shared.draining = True
        for connection in list(self.shared.connections):
            connection.close_if_idle()
        deadline = time.monotonic() + seconds
        while self.shared.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self.shared.connections):
            connection.abort()
