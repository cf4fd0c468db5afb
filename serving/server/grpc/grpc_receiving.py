"""Messages that are on their way: grpcio gathers each of them whole, in memory that nobody counts until it is there."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Hashable
from pathlib import Path

from hilir.serving.server.inference.memory import MemoryBudget

# A small message is there within microseconds of its call.
_LONG = 0.005
_LOOK_EVERY = 0.01
# What messages may hold while the budget is used up: one call must not wait for ever for another to end.
_LEAST_SHARE = 8
_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Receiving:
    """The calls whose message is on its way, in the order they came.

    grpcio does not report how much of a message it has. What it holds is seen as growth of this process's resident
    memory, looked at while a message takes its time: beyond what the budget has left, the latest calls are ended.

    Args:
        budget: what requests hold once their message is there.
        end: ends a call with RESOURCE_EXHAUSTED.
    """

    def __init__(self, budget: MemoryBudget, end: Callable[[Hashable], None]) -> None:
        self._budget = budget
        self._end = end
        self._since: dict[Hashable, float] = {}
        self._ceiling: int | None = None
        self._looking = False

    def begin(self, call: Hashable) -> None:
        """A call's message is awaited."""
        self._since[call] = time.monotonic()
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

    def is_over(self, call: Hashable) -> None:
        """A call's message is there, or never will be."""
        self._since.pop(call, None)

    def takes_long(self) -> bool:
        """True if a message is under way for some time."""
        oldest = next(iter(self._since.values()), None)
        return oldest is not None and time.monotonic() - oldest > _LONG

    def _look(self) -> None:
        self._looking = bool(self._since)
        if not self._since:
            self._ceiling = None
            return
        asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)
        if not self.takes_long():
            self._ceiling = None
            return
        resident = int(_STATM.read_text().split()[1]) * _PAGE
        if self._ceiling is None:
            # Half, since a message is parsed and run when it is there.
            left = (self._budget.limit - self._budget.held) // 2
            self._ceiling = resident + max(left, self._budget.limit // _LEAST_SHARE)
        if resident > self._ceiling:
            # The latest half, and again if that does not help: what came first has most of its message, and one alone
            # is bounded by --max-request-bytes.
            calls = list(self._since)
            for call in calls[max(1, len(calls) // 2) :]:
                self._since.pop(call)
                self._end(call)
