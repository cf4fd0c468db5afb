"""Dynamic batching: requests for the same tensors are joined along their first dimension and run once.

Parameters are TensorFlow Serving's (batching/README.md). Two things differ, for the client's good: requests are
joined only if their other dimensions agree, and if a joined run fails each request is run by itself, so that a
bad request cannot fail its neighbours.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.inference.batch_options import BatchOptions, read_batch_options
from hilir.serving.server.inference.batch_run import run_batch
from hilir.serving.server.inference.inline import runs_inline
from hilir.serving.server.inference.signatures import Plan
from hilir.serving.server.servables.servable import Outputs, Run
from hilir.serving.server.status import Code, StatusError, invalid_argument
from hilir.serving.server.telemetry.metrics import Metrics

PER_MODEL_FILE = "batching_params.pbtxt"
# Rounds of the event loop that a batch may grow for; an idle server spends one, about 10 microseconds.
_MAX_ROUNDS = 16
_Key = tuple[Any, ...]


@dataclass
class _Task:
    arrays: list[np.ndarray]
    rows: int
    future: asyncio.Future[Outputs]
    since: float = field(default_factory=time.perf_counter)


@dataclass
class _Queue:
    run: Run
    options: BatchOptions
    model: str
    version: str
    tasks: deque[_Task] = field(default_factory=deque)
    rows: int = 0


class Batcher:
    """Queues of requests, one per set of tensors and version; all of it runs on the event loop.

    Args:
        loop: the event loop.
        pool: threads for batches that would hold up the loop.
        options: parameters for all models.
        per_model: read `batching_params.pbtxt` next to a version's SavedModel, if there is one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pool: ThreadPoolExecutor,
        options: BatchOptions,
        metrics: Metrics,
        per_model: bool = False,
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._options = options
        self._metrics = metrics
        self._per_model = per_model
        self._model_options: dict[str, BatchOptions] = {}
        self._queues: OrderedDict[_Key, _Queue] = OrderedDict()
        self._running = 0
        self._scheduled = False
        self._arrived = 0
        self._waited = 0
        self._timer: asyncio.TimerHandle | None = None

    def accepts(self, plan: Plan) -> bool:
        """True if a plan has rows that can share a batch with those of others."""
        if not plan.batchable:
            return False
        rows = {array.shape[0] if array.ndim else 0 for array in plan.arrays}
        return len(rows) == 1 and rows != {0}

    def submit(self, plan: Plan, run: Run) -> asyncio.Future[Outputs]:
        """Queue a plan.

        Raises:
            StatusError: it is larger than a batch may be, or the queue is full.
        """
        options = self._options_of(plan)
        rows = plan.arrays[0].shape[0]
        if rows > options.max_batch_size:
            if options.split_large:
                return self._loop.create_task(self._split(plan, run, options.max_batch_size))
            raise invalid_argument(f"Task size {rows} is larger than maximum batch size {options.max_batch_size}")
        queue = self._queue_of(plan, run, options)
        if queue.rows + rows > options.max_enqueued_batches * options.max_batch_size:
            raise StatusError(Code.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full")
        task = _Task(plan.arrays, rows, self._loop.create_future())
        queue.tasks.append(task)
        queue.rows += rows
        self._arrived += 1
        self._schedule()
        return task.future

    async def _split(self, plan: Plan, run: Run, size: int) -> Outputs:
        """A request larger than a batch, in parts."""
        rows = plan.arrays[0].shape[0]
        parts = []
        for start in range(0, rows, size):
            part = [array[start : start + size] for array in plan.arrays]
            piece = Plan(plan.servable, plan.signature, plan.feeds, plan.fetches, part, batchable=True)
            parts.append(await self.submit(piece, run))
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def _options_of(self, plan: Plan) -> BatchOptions:
        if not self._per_model:
            return self._options
        path = plan.servable.path
        options = self._model_options.get(path)
        if options is None:
            file = Path(path, PER_MODEL_FILE)
            try:
                options = read_batch_options(str(file)) if file.exists() else self._options
            except ServingConfigError as error:
                raise StatusError(Code.INVALID_ARGUMENT, str(error)) from None
            if len(self._model_options) > 256:
                self._model_options.clear()
            self._model_options[path] = options
        return options

    def _queue_of(self, plan: Plan, run: Run, options: BatchOptions) -> _Queue:
        if options.pad_variable_length:
            shapes: _Key = tuple((array.ndim, array.dtype) for array in plan.arrays)
        else:
            shapes = tuple((array.shape[1:], array.dtype) for array in plan.arrays)
        key = (plan.servable.name, plan.servable.version, id(plan.servable), plan.feeds, plan.fetches, shapes)
        queue = self._queues.get(key)
        if queue is None:
            queue = _Queue(run, options, plan.servable.name, str(plan.servable.version))
            self._queues[key] = queue
        return queue

    def _schedule(self) -> None:
        if not self._scheduled:
            # In the loop's next round: what arrives in this one still joins.
            self._scheduled = True
            self._loop.call_soon(self._gather_or_dispatch)

    def _gather_or_dispatch(self) -> None:
        """While each round of the loop brings more requests, let them join: they are there already."""
        if self._arrived and self._waited < _MAX_ROUNDS:
            self._arrived = 0
            self._waited += 1
            self._loop.call_soon(self._gather_or_dispatch)
            return
        self._waited = 0
        self._dispatch()

    def _dispatch(self) -> None:
        self._scheduled = False
        soonest: float | None = None
        for key, queue in list(self._queues.items()):
            while queue.tasks and self._running < self._options.threads:
                wait = self._wait_seconds(queue)
                if wait > 0:
                    soonest = wait if soonest is None else min(wait, soonest)
                    break
                self._execute(queue, self._take(queue))
            if not queue.tasks:
                del self._queues[key]
            else:
                self._queues.move_to_end(key)
        if soonest is not None and self._timer is None:
            self._timer = self._loop.call_later(soonest, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._dispatch()

    def _wait_seconds(self, queue: _Queue) -> float:
        """How long a batch may still grow: not at all if nothing runs anyway."""
        if self._running == 0 or queue.rows >= queue.options.max_batch_size:
            return 0.0
        return queue.options.timeout_seconds - (time.perf_counter() - queue.tasks[0].since)

    def _take(self, queue: _Queue) -> list[_Task]:
        batch: list[_Task] = []
        rows = 0
        while queue.tasks and rows + queue.tasks[0].rows <= queue.options.max_batch_size:
            task = queue.tasks.popleft()
            queue.rows -= task.rows
            if not task.future.done():
                batch.append(task)
                rows += task.rows
        return batch

    def _execute(self, queue: _Queue, batch: list[_Task]) -> None:
        if not batch:
            return
        now = time.perf_counter()
        name = queue.options.thread_pool_name
        for task in batch:
            self._metrics.queuing_latency.add(name, value=(now - task.since) * 1e6)
        self._metrics.wrapped_runs.add()
        self._metrics.batch_size.add(queue.model, queue.version, value=sum(task.rows for task in batch))
        requests = [task.arrays for task in batch]
        if runs_inline(queue.run, requests):
            _deliver(batch, run_batch(queue.run, requests, queue.options))
            return
        self._running += 1
        future = self._loop.run_in_executor(self._pool, run_batch, queue.run, requests, queue.options)
        future.add_done_callback(lambda done: self._finished(batch, done))

    def _finished(self, batch: list[_Task], done: asyncio.Future[list[Outputs | Exception]]) -> None:
        self._running -= 1
        error = done.exception()
        _deliver(batch, [error] * len(batch) if isinstance(error, Exception) else done.result())
        self._schedule()


def _deliver(batch: list[_Task], results: list[Any]) -> None:
    for task, result in zip(batch, results, strict=True):
        if task.future.done():
            continue
        if isinstance(result, Exception):
            task.future.set_exception(result)
        else:
            task.future.set_result(result)
