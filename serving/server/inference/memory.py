"""One budget for what all requests may hold at a time, counted before it is allocated, whichever protocol asks."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hilir.serving.server.heap import Returner
from hilir.serving.server.status import Code, StatusError

Take = Callable[[int], None]
"""Counts bytes that are about to be allocated; raises OverBudget if requests may not hold them."""


# After this part of the limit was freed, memory is given back.
_PARTS = 8
EXAMPLE_COPIES = 3
"""How often a serialized tf.Example is in memory: as bytes, as TensorFlow's string, and as the features in it."""


class OverBudget(StatusError):
    """Requests would hold more than they may: RESOURCE_EXHAUSTED over gRPC, 503 over REST."""


class MemoryBudget:
    """Counts what requests hold; any thread may take and give back.

    What they held is given back to the system from time to time: large requests of many sizes leave gaps in the heap,
    which would add up to more than the limit.

    Args:
        limit: the most bytes that all requests together may hold (`--max-request-memory`).
    """

    def __init__(self, limit: int = 1 << 30) -> None:
        self.limit = limit
        self.held = 0
        self._freed = 0
        self._returner = Returner()
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Count `size` bytes.

        Raises:
            OverBudget: they are more than is left.
        """
        with self._lock:
            held = self.held + size
            if held <= self.limit:
                self.held = held
                return
        remedy = "Send a smaller request, or raise --max-request-memory" if size > self.limit else "Try again"
        raise OverBudget(
            Code.RESOURCE_EXHAUSTED,
            f"The request needs {size} bytes of memory, and all requests together may hold {self.limit}. {remedy}",
        )

    def give(self, size: int) -> None:
        """Count `size` bytes no more."""
        with self._lock:
            self.held -= size
            self._freed += size
            if self._freed >= self.limit // _PARTS and self._returner.ask():
                self._freed = 0


class Loan:
    """What one request holds of the budget."""

    __slots__ = ("budget", "size")

    def __init__(self, budget: MemoryBudget) -> None:
        self.budget = budget
        self.size = 0

    def take(self, size: int) -> None:
        """Count `size` bytes more.

        Raises:
            OverBudget: they are more than is left.
        """
        self.budget.take(size)
        self.size += size

    def give(self, size: int) -> None:
        """Return a part."""
        self.size -= size
        self.budget.give(size)

    def give_back(self) -> None:
        """Return all of it; repeating that returns nothing."""
        size, self.size = self.size, 0
        if size:
            self.budget.give(size)
