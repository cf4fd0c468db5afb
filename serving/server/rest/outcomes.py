"""POST /v1/outcomes: what became of predictions, which TensorFlow Serving has no call for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hilir.serving.outcomes.outcome_store import OutcomeStore
from hilir.serving.outcomes.receive import PATH, Received, receive
from hilir.serving.server.telemetry.outcome_counters import OutcomeCounters

__all__ = ["PATH", "OutcomeEndpoint"]
_MOST_WAITING = 64

Answer = Callable[[int, bytes], None]


class OutcomeEndpoint:
    """Writes batches on a thread of its own, so that predictions do not wait for the database.

    Args:
        store: where they go.
        counters: what Prometheus reads of them.
    """

    def __init__(self, store: OutcomeStore, counters: OutcomeCounters) -> None:
        self._store, self._counters = store, counters
        self._pool = ThreadPoolExecutor(1, "outcomes")
        self._waiting = 0

    def take(self, body: bytes, answer: Answer) -> None:
        """Stores a batch, and then calls `answer` with status and body, on the event loop that this was called on."""
        if self._waiting >= _MOST_WAITING:
            error = b'{"error": "too many batches of outcomes are waiting; send this one again later"}\n'
            self._answer(Received(503, error), answer)
            return
        self._waiting += 1

        def done(future: asyncio.Future[Received]) -> None:
            self._waiting -= 1
            self._answer(future.result(), answer)

        asyncio.get_running_loop().run_in_executor(self._pool, receive, self._store, body).add_done_callback(done)

    def _answer(self, received: Received, answer: Answer) -> None:
        self._counters.note(received)
        answer(received.status, received.answer)

    def close(self) -> None:
        """Writes what is waiting, and closes the database."""
        self._pool.shutdown()
        self._store.close()
