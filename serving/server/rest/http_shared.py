"""What all connections of a listening server share: limits, how much they hold together, and the handler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Protocol

from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.rest.http_message import Handler, HttpLimits, Response
from hilir.serving.server.telemetry.request_ids import HEADER, HTTP_HEADER, RequestIds

_ID_KEY = HEADER.encode()
_MOST_TURNED_AWAY = 256


class Member(Protocol):
    """A connection, as the server sees it."""

    def check(self, now: float) -> None:
        """Closes it if it is too slow or idle for too long."""

    def close_if_idle(self) -> None:
        """Closes it unless a request is running."""

    def refuse_if_arriving(self) -> None:
        """Refuses a request that has not come whole."""

    def abort(self) -> None:
        """Closes it at once."""


class Shared:
    """The state that connections have in common.

    Attributes:
        handler: answers requests.
        limits: sizes, times and numbers.
        connections: those that are open.
        turned_away: those that came when there were too many, until they have read so; the oldest first.
        budget: what requests may hold, the bodies that have been read and not answered among it.
        draining: whether connections close after their answer.
    """

    def __init__(self, handler: Handler, limits: HttpLimits, budget: MemoryBudget) -> None:
        self.handler = handler
        self.limits = limits
        self.connections: set[Member] = set()
        self.turned_away: dict[Member, None] = {}
        self.budget = budget
        self.draining = False
        self._ids = RequestIds()
        self._date = (0, "")

    def turn_away(self, connection: Member) -> None:
        """Keep a connection too many for as long as its client needs to read the refusal; of many, the latest."""
        self.turned_away[connection] = None
        if len(self.turned_away) > _MOST_TURNED_AWAY:
            oldest = next(iter(self.turned_away))
            self.turned_away.pop(oldest)
            oldest.abort()

    def forget(self, connection: Member) -> None:
        """A connection is closed."""
        self.connections.discard(connection)
        self.turned_away.pop(connection, None)

    def missing_id(self, response: Response, headers: Mapping[bytes, bytes]) -> list[str]:
        """Returns the line with the id for an answer that no handler gave: the caller's own id, or a new one."""
        if any(name == HTTP_HEADER for name, _ in response.headers):
            return []
        return [f"{HTTP_HEADER}: {self._ids.choose(headers.get(_ID_KEY))}"]

    def date(self) -> str:
        """Returns the value of the Date header, made once a second."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]
