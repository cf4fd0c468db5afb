"""Where a graph runs: in a batch, on the event loop if it is quick, else on a thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from hilir.serving.server.inference.signatures import Plan

if TYPE_CHECKING:
    from hilir.serving.server.inference.batcher import Batcher

Outputs = list[np.ndarray]
# A thread hand-over costs about 0.1 ms; a run on the loop delays every other request by its own time.
INLINE_SECONDS = 0.001
INLINE_ELEMENTS = 1 << 15


class Executor:
    """Runs plans.

    Args:
        loop: the event loop, from which `run` is called.
        threads: number of threads for runs that would hold up the loop.
        batcher: joins requests; None runs each by itself.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int, batcher: Batcher | None = None) -> None:
        self.loop = loop
        self.pool = ThreadPoolExecutor(threads, "run")
        self.batcher = batcher

    def run(self, plan: Plan) -> Outputs | asyncio.Future[Outputs]:
        """Outputs in the order of `plan.fetches`, or their future.

        Raises:
            StatusError: the run failed, or the queue is full.
        """
        run = plan.servable.prepare_run(plan.feeds, plan.fetches)
        if self.batcher is not None and self.batcher.accepts(plan):
            return self.batcher.submit(plan, run)
        if run.bounded and run.cost < INLINE_SECONDS and _elements(plan) <= INLINE_ELEMENTS:
            return run(plan.arrays)
        return self.loop.run_in_executor(self.pool, run, plan.arrays)

    def close(self) -> None:
        """Wait for running threads."""
        self.pool.shutdown()


def _elements(plan: Plan) -> int:
    return sum(array.size for array in plan.arrays)
