"""The one life of a request: admit, hold, plan, run, record, release. Protocols translate, and decide nothing.

A request that has to wait for nothing is answered at once; any other by a future. What is large is decoded and
encoded on a thread, since either would hold up the event loop, on which everything else here runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from hilir.serving.server.inference.call import Answer, Call, Hold, Prepared
from hilir.serving.server.inference.executor import Executor
from hilir.serving.server.inference.memory import Loan, MemoryBudget, OverBudget, Take
from hilir.serving.server.inference.recorder import Recorder
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.servables.servable import Outputs, Servable
from hilir.serving.server.status import Code, StatusError

T = TypeVar("T")
logger = logging.getLogger(__name__)
# Larger requests are decoded, and larger outputs encoded, on a thread.
_LARGE_REQUEST = 64 << 10
_HUGE_REQUEST = 4 << 20
_LARGE_OUTPUT = 1 << 14
_OBJECT_BYTES = 64
# What TensorFlow says when a session's timeout is over.
_TIMED_OUT = "Timed out waiting for notification"


class InferenceService:
    """Runs the requests of both protocols.

    Args:
        core: finds the servable of a request.
        executor: runs plans.
        recorder: writes metrics and the request log.
        budget: what requests may hold, whichever protocols they come by.
        max_in_flight: more requests at a time are refused, likewise.
    """

    def __init__(
        self,
        core: ServerCore,
        executor: Executor,
        recorder: Recorder,
        budget: MemoryBudget,
        max_in_flight: int = 1024,
    ) -> None:
        self._core = core
        self._executor = executor
        self._recorder = recorder
        self._budget = budget
        self._max_in_flight = max_in_flight
        self._one_by_one = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.in_flight = 0
        """Requests that were admitted and not released yet."""

    def infer(self, call: Call) -> Answer | asyncio.Future[Answer]:
        """Run one request; cancelling the future says that its caller has left.

        Raises:
            StatusError: what the caller should read, with TensorFlow Serving's code and text. A future carries it, too.
        """
        self._admit(call)
        if call.size > _LARGE_REQUEST:
            waiting = self._wait(call)
            self._spawn(self._infer_large(call))
            return waiting
        try:
            prepared = self._plan(call)
            result = self._run(call, prepared)
            if isinstance(result, list) and _elements(result) <= _LARGE_OUTPUT:
                return self._finish(call, prepared, result)
        except Exception as error:  # noqa: BLE001 - _fail reports what is not a StatusError
            raise self._fail(call, error) from None
        waiting = self._wait(call)
        if isinstance(result, list):
            self._spawn(self._encode_large(call, prepared, result))
        else:
            result.add_done_callback(partial(self._run_done, call, prepared))
        return waiting

    # the steps

    def _admit(self, call: Call) -> None:
        """Let a request in, before anything is spent on it. What requests may hold at a time is limited here."""
        if self.in_flight >= self._max_in_flight:
            self._recorder.refused("in_flight")
            self._recorder.failure(call, Code.UNAVAILABLE)
            raise StatusError(Code.UNAVAILABLE, "Too many requests are in progress; try again")
        call.loan = Loan(self._budget)
        try:
            call.loan.take(call.size)
        except OverBudget:
            self._recorder.refused("memory")
            self._recorder.failure(call, Code.RESOURCE_EXHAUSTED)
            raise
        self.in_flight += 1

    def _hold(self, call: Call, model: str, version: int | None, label: str | None) -> Servable:
        call.model, call.label = model, label or ""
        call.servable = self._core.hold(model, version, label)
        return call.servable

    def _plan(self, call: Call) -> Prepared:
        return call.prepare(partial(self._hold, call), _loan(call).take)

    def _run(self, call: Call, prepared: Prepared) -> Outputs | asyncio.Future[Outputs]:
        call.run_started = time.perf_counter()
        return self._executor.run(prepared.plan)

    def _finish(self, call: Call, prepared: Prepared, outputs: Outputs, body: bytes | None = None) -> Answer:
        """Encode unless that is done, record, release."""
        call.run_seconds = call.run_seconds or time.perf_counter() - call.run_started
        if body is None:
            body = b"" if call.is_over else prepared.encode(outputs)
        answer = Answer(body, *self._recorder.version_and_label(call))
        if call.is_abandoned:
            self._record_failure(call, Code.CANCELLED)
        elif not call.recorded:
            self._recorder.success(call, prepared, outputs, answer)
        self._release(call)
        return answer

    def _fail(self, call: Call, error: BaseException) -> StatusError:
        """Record, release, and say what the caller reads."""
        # The frames of a traceback hold the request, and the call that they belong to holds the error: a circle, which
        # Python would not look at for long.
        status = as_status(error, call.request_id).with_traceback(None)
        if isinstance(error, OverBudget):
            self._recorder.refused("memory")
        self._record_failure(call, Code.CANCELLED if call.is_abandoned else status.code)
        self._release(call)
        return status

    def _record_failure(self, call: Call, code: Code) -> None:
        if not call.recorded:
            call.recorded = True
            self._recorder.failure(call, code)

    def _release(self, call: Call) -> None:
        self.in_flight -= 1
        if call.timer is not None:
            call.timer.cancel()
        if call.servable is not None:
            call.servable.release()
        # Whoever still holds the call holds no more of the request than that.
        call.prepare = _is_over
        _loan(call).give_back()

    # waiting

    def _wait(self, call: Call) -> asyncio.Future[Answer]:
        call.waiting = self._executor.loop.create_future()
        if call.seconds is not None:
            call.timer = self._executor.loop.call_later(call.seconds, self._expire, call)
        return call.waiting

    def _expire(self, call: Call) -> None:
        """The time is over: answer. The run itself ends when it ends, and only then is the request released."""
        if not call.is_over:
            self._record_failure(call, Code.DEADLINE_EXCEEDED)
            _settle(call, StatusError(Code.DEADLINE_EXCEEDED, _TIMED_OUT))

    def _run_done(self, call: Call, prepared: Prepared, future: asyncio.Future[Outputs]) -> None:
        try:
            outputs = future.result()
            if _elements(outputs) > _LARGE_OUTPUT:
                self._spawn(self._encode_large(call, prepared, outputs))
                return
            outcome: Answer | StatusError = self._finish(call, prepared, outputs)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - _fail reports what is not a StatusError
            outcome = self._fail(call, error)
        _settle(call, outcome)

    async def _infer_large(self, call: Call) -> None:
        try:
            prepared = await self._plan_large(call)
            if call.is_over:
                raise StatusError(Code.CANCELLED, "Nobody waits for the answer")
            result = self._run(call, prepared)
            outputs = result if isinstance(result, list) else await result
        except Exception as error:  # noqa: BLE001 - _fail reports what is not a StatusError
            _settle(call, self._fail(call, error))
            return
        await self._encode_large(call, prepared, outputs)

    async def _plan_large(self, call: Call) -> Prepared:
        """Decode on a thread; the largest one after the other, since each holds the interpreter much of the time."""
        if call.size <= _HUGE_REQUEST:
            return await self._on_thread(self._plan, call)
        async with self._one_by_one:
            if call.is_over:
                raise StatusError(Code.CANCELLED, "Nobody waits for the answer")
            return await self._on_thread(self._plan, call)

    async def _encode_large(self, call: Call, prepared: Prepared, outputs: Outputs) -> None:
        call.run_seconds = time.perf_counter() - call.run_started
        try:
            body = None
            if _elements(outputs) > _LARGE_OUTPUT and not call.is_over:
                _loan(call).take(_encoded_size(outputs, prepared.float_bytes))
                body = await self._on_thread(prepared.encode, outputs)
            outcome: Answer | StatusError = self._finish(call, prepared, outputs, body)
        except Exception as error:  # noqa: BLE001 - _fail reports what is not a StatusError
            outcome = self._fail(call, error)
        _settle(call, outcome)

    async def _on_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await self._executor.loop.run_in_executor(self._executor.pool, function, *arguments)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._executor.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def as_status(error: BaseException, request_id: str) -> StatusError:
    """What the caller reads of an error; one that is not a StatusError is a fault of ours, and logged."""
    if isinstance(error, StatusError):
        return error
    logger.error("request %s failed", request_id, exc_info=error)
    return StatusError(Code.INTERNAL, f"Internal error: {type(error).__name__}")


def _is_over(_hold: Hold, _take: Take) -> Prepared:
    raise AssertionError("the call is over")


def _settle(call: Call, outcome: Answer | StatusError) -> None:
    if call.waiting is None or call.waiting.done():
        return
    if isinstance(outcome, StatusError):
        call.waiting.set_exception(outcome)
    else:
        call.waiting.set_result(outcome)


def _loan(call: Call) -> Loan:
    if call.loan is None:
        raise AssertionError("the call was not admitted")
    return call.loan


def _encoded_size(outputs: Outputs, float_bytes: int) -> int:
    """What outputs are, and become while they are encoded: anything but floats goes through objects of Python's."""
    elements = [(float_bytes if array.dtype.kind == "f" else _OBJECT_BYTES) * array.size for array in outputs]
    return sum([array.nbytes for array in outputs]) + sum(elements)


def _elements(outputs: Outputs) -> int:
    return sum([array.size for array in outputs])
