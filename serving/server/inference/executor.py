"""Where a plan runs: in a batch, on the event loop, or on a thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from hilir.serving.server.inference.batcher import Batcher
from hilir.serving.server.inference.inline import runs_inline
from hilir.serving.server.inference.signatures import Plan
from hilir.serving.server.servables.servable import Outputs


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
        if runs_inline(run, (plan.arrays,)):
            return run(plan.arrays)
        return self.loop.run_in_executor(self.pool, run, plan.arrays)

    def close(self) -> None:
        """Wait for running threads."""
        self.pool.shutdown()
