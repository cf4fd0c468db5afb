"""All HTTP connections of a server: the sweep for slow ones, and draining."""

from __future__ import annotations

import asyncio
import time

from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.rest.http_connection import Connection
from hilir.serving.server.rest.http_message import Handler, HttpLimits
from hilir.serving.server.rest.http_shared import Shared

# Of a drain, for the rest of requests that had begun to arrive: a client that stalls must not use up all of it.
_ARRIVING_SECONDS = 5.0


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
            for connection in (*self.shared.connections, *self.shared.turned_away):
                connection.check(now)

    async def drain(self, seconds: float) -> None:
        """Let running requests finish, then close every connection; one that is still being sent gets less time."""
        self.shared.draining = True
        for connection in list(self.shared.connections):
            connection.close_if_idle()
        begun = time.monotonic()
        while self.shared.connections and time.monotonic() - begun < seconds:
            if time.monotonic() - begun > min(_ARRIVING_SECONDS, seconds / 2):
                for connection in list(self.shared.connections):
                    connection.refuse_if_arriving()
            await asyncio.sleep(0.02)
        for connection in (*self.shared.connections, *self.shared.turned_away):
            connection.abort()
