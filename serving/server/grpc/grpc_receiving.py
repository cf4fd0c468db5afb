"""Messages that are on their way: grpcio gathers each of them whole, in memory that nobody counts until it is there."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Hashable

from hilir.serving.server.inference.memory import MemoryBudget

# A small message is there within microseconds of its call; one that is not may be slow, or large.
_LONG = 0.005
_LOOK_EVERY = 0.01
# Messages that take longer than _LONG while all of them grow by less than this in that time are slow.
_STILL = 512 << 10
# How often a message is in memory while grpcio hands it over: as received, as it is put together, and as bytes.
_COPIES = 4
# A call that was ended frees its memory some rounds later.
_PATIENCE = 0.03
_IDLE_SECONDS = 1.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
Ask = Callable[[], bool]
"""Asks grpcio for a call's message; False if the call is over."""


class Receiving:
    """The calls whose message is on its way, in the order they came.

    grpcio takes more of a message than a few kilobytes only when it is asked for it, and does not report how large it
    is, nor how much of it has come. So few messages are asked for at a time: as many as the budget has room for if each
    is the largest. Those that do not grow give their place to the next, since clients may be slow. What they all hold
    is seen as growth of this process's resident memory: beyond half of the budget, the latest calls are ended.

    Args:
        budget: what requests hold once their message is there.
        max_message: bytes of the largest message.
        end: ends a call with RESOURCE_EXHAUSTED.
    """

    def __init__(self, budget: MemoryBudget, max_message: int, end: Callable[[Hashable], None]) -> None:
        self._budget = budget
        self._end = end
        self._places = max(1, budget.limit // (_COPIES * max(max_message, 1)))
        self._waiting: deque[tuple[Hashable, Ask]] = deque()
        self._fresh: dict[Hashable, float] = {}
        self._slow: dict[Hashable, float] = {}
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._idle, self._idle_at = 0, 0.0
        self._last, self._measured_at = 0, 0.0
        self._ended_at = 0.0
        self._looking = False

    def begin(self, call: Hashable, ask: Ask) -> None:
        """A call's message is awaited: ask for it now, or when others are there."""
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)
            self._note_idle()
        self._waiting.append((call, ask))
        self._ask_next()

    def is_over(self, call: Hashable) -> None:
        """A call's message is there, or never will be."""
        if self._fresh.pop(call, None) is None:
            self._slow.pop(call, None)
        if self._waiting:
            self._ask_next()

    def takes_long(self) -> bool:
        """True if a message is under way for some time."""
        if self._slow:
            return True
        oldest = next(iter(self._fresh.values()), None)
        return oldest is not None and time.monotonic() - oldest > _LONG

    def _ask_next(self) -> None:
        while self._waiting and (len(self._fresh) < self._places or self._find_slow()):
            call, ask = self._waiting.popleft()
            if ask():
                self._fresh[call] = time.monotonic()

    def _find_slow(self) -> bool:
        """Let calls that take long, and do not grow, give up their places; true if one did."""
        now = time.monotonic()
        if now - self._measured_at < _LONG:
            return False
        resident = self._resident()
        grown, self._last, self._measured_at = resident - self._last, resident, now
        if grown >= _STILL:
            return False
        slow = [call for call, since in self._fresh.items() if now - since > _LONG]
        for call in slow:
            self._slow[call] = self._fresh.pop(call)
        return bool(slow)

    def _note_idle(self) -> None:
        """Measure what the process holds without messages; not often, since each call comes here."""
        now = time.monotonic()
        if now - self._idle_at > _IDLE_SECONDS:
            self._idle, self._idle_at = self._resident() - self._budget.held, now

    def _look(self) -> None:
        self._looking = bool(self._fresh or self._slow or self._waiting)
        if not self._looking:
            return
        asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)
        if not self.takes_long():
            self._note_idle()
            return
        now = time.monotonic()
        if self._resident() - self._idle > self._budget.limit // 2 and now - self._ended_at > _PATIENCE:
            # The latest half, and again if that does not help: what came first has most of its message, and one alone
            # is bounded by --max-request-bytes.
            calls = sorted((*self._slow.items(), *self._fresh.items()), key=lambda item: item[1])
            for call, _ in calls[max(1, len(calls) // 2) :]:
                self._fresh.pop(call, None)
                self._slow.pop(call, None)
                self._end(call)
            self._ended_at = now
        self._ask_next()

    def _resident(self) -> int:
        return int(os.pread(self._statm, 64, 0).split()[1]) * _PAGE
