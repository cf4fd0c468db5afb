"""A gRPC server on grpcio's own core bindings, driven by the asyncio event loop; requests are single messages.

`grpc.aio` spends four times as long per call (0.25 ms) as these bindings do, more than a small model's run. They
are private to grpcio: `setup.py` allows the minors that were tested, `find_mismatch` compares what they offer with
what is used here, and `grpc_server` falls back to `grpc.aio`.
While calls come in, the loop itself takes events off the completion queue: no thread has to be woken per event.
When nothing more is there, a thread waits for the next one and wakes the loop.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import grpc
from grpc._cython import cygrpc

from hilir.serving.server.grpc.grpc_call import CallContext, Method, Stream, metadata_value, scope_of
from hilir.serving.server.grpc.grpc_receiving import Receiving
from hilir.serving.server.inference.call import Answer
from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.inference.service import as_status
from hilir.serving.server.security.tokens import Tokens
from hilir.serving.server.status import Code, StatusError
from hilir.serving.server.telemetry.request_ids import HEADER, RequestIds
from hilir.serving.server.telemetry.tracing import HEADER as TRACE_HEADER

_NEW_CALL, _SHUT_DOWN = object(), object()
_EVENTS_PER_ROUND = 64
# Rounds of the loop to look again, while calls are open, before a thread has to wait: some 0.2 ms.
_QUIET_ROUNDS = 20
_TOO_MUCH = (
    "Messages that are on their way need more memory than requests may hold together. Try again, send smaller ones, "
    "or raise --max-request-memory"
)
# A poll that took longer had much to move, and so will the next ones, for some time.
_LONG_POLL, _HEAVY_SECONDS = 0.005, 0.5
_METHODS = {
    "CompletionQueue.poll": "(self, deadline=None)",
    "Server.add_http2_port": "(self, address, server_credentials=None)",
    "Server.cancel_all_calls": "(self)",
    "Server.destroy": "(self)",
    "Server.register_completion_queue": "(self, queue)",
    "Server.request_call": "(self, call_queue, server_queue, tag)",
    "Server.shutdown": "(self, queue, tag)",
    "Server.start": "(self, backup_queue=True)",
    "Call.start_server_batch": "(self, operations, tag)",
}
_OPERATIONS: dict[str, tuple[Any, ...]] = {
    "ReceiveCloseOnServerOperation": (0,),
    "ReceiveMessageOperation": (0,),
    "SendInitialMetadataOperation": (None, 0),
    "SendMessageOperation": (b"", 0),
    "SendStatusFromServerOperation": ((), 0, b"", 0),
}


def find_mismatch() -> str:
    """The first of the bindings that this grpcio does not have as they are used here; nothing if all fit."""
    for path, signature in _METHODS.items():
        owner, name = path.split(".")
        method = getattr(getattr(cygrpc, owner, None), name, None)
        if method is None or str(inspect.signature(method)) != signature:
            return path
    for name, arguments in _OPERATIONS.items():
        try:
            getattr(cygrpc, name)(*arguments)
        except (AttributeError, TypeError):
            return name
    return ""


class CoreServer:
    """Serves methods by full name, such as `/tensorflow.serving.PredictionService/Predict`.

    Args:
        methods: one message in, one out.
        streams: the same, with several messages out.
        options: channel arguments.
        ids: chooses the id of each call, which goes into its trailing metadata.
        tokens: bearer tokens, one of which calls must carry; None asks for none.
        open_prefix: methods whose names begin with this need no token.
        budget: what requests hold, which messages on their way must leave room for.
        max_message: bytes of the largest message.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        streams: Mapping[str, Stream],
        options: Sequence[tuple[str, Any]],
        ids: RequestIds,
        tokens: Tokens | None,
        open_prefix: str,
        budget: MemoryBudget,
        max_message: int,
    ) -> None:
        runs = [(name, partial(_Call.run, method=method)) for name, method in methods.items()]
        runs += [(name, partial(_Call.run_stream, method=method)) for name, method in streams.items()]
        self._runs = {name.encode(): run for name, run in runs}
        self._ids = ids
        self._tokens = tokens
        self._open_prefix = open_prefix.encode()
        self._server = cygrpc.Server(tuple(options), False)
        self._queue = cygrpc.CompletionQueue()
        self._server.register_completion_queue(self._queue)
        self.calls: set[_Call] = set()
        self._receiving = Receiving(budget, max_message, _end_for_memory)
        self._quiet = 0
        self._heavy_until = 0.0
        self._resume = threading.Event()
        self.stopping = False
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._watch, name="grpc", daemon=True)

    def add_port(self, address: str, credentials: grpc.ServerCredentials | None) -> None:
        """Listen on an address.

        Raises:
            RuntimeError: it is taken.
        """
        if credentials is None:
            port = self._server.add_http2_port(address.encode())
        else:
            port = self._server.add_http2_port(address.encode(), credentials._credentials)
        if not port and not address.startswith("unix:"):
            raise RuntimeError(address)

    async def start(self) -> None:
        """Accept calls, on the running event loop."""
        self.loop = asyncio.get_running_loop()
        self._server.start()
        self._server.request_call(self._queue, self._queue, _NEW_CALL)
        self._thread.start()

    async def stop(self, grace: float) -> None:
        """Accept no more calls, let the running ones finish within `grace` seconds, then end them."""
        self.stopping = True
        self._server.shutdown(self._queue, _SHUT_DOWN)
        try:
            async with asyncio.timeout(grace):
                await self._stopped.wait()
        except TimeoutError:
            self._server.cancel_all_calls()
            await asyncio.wait_for(self._stopped.wait(), 5)
        self._server.destroy()
        await asyncio.to_thread(self._thread.join, 5)

    def _watch(self) -> None:
        """Wait for an event, hand it to the loop, and wait again when the loop has found no more."""
        while not self._stopped.is_set():
            event = self._queue.poll(time.time() + 0.5)
            if event.completion_type == cygrpc.CompletionType.queue_timeout:
                continue
            self._resume.clear()
            try:
                self.loop.call_soon_threadsafe(self._wake, event)
            except RuntimeError:
                return
            # It holds its message, for as long as nothing else comes.
            del event
            self._resume.wait()

    def _wake(self, event: Any) -> None:
        self._handle(event)
        self._drain()

    def received(self, call: _Call) -> None:
        """A call's message has been received."""
        self._receiving.is_over(call)

    def _drain(self) -> None:
        if self._receiving.takes_long():
            self._heavy_until = time.monotonic() + _HEAVY_SECONDS
        if time.monotonic() < self._heavy_until:
            self._quiet = 0
            self._resume.set()
            return
        for _ in range(_EVENTS_PER_ROUND):
            began = time.monotonic()
            event = self._queue.poll(0.0)
            if time.monotonic() - began > _LONG_POLL:
                # grpcio moves the bytes of its connections while it polls: much of that is not for the loop.
                self._heavy_until = began + _HEAVY_SECONDS
            if event.completion_type == cygrpc.CompletionType.queue_timeout:
                break
            self._quiet = 0
            self._handle(event)
        self._quiet += 1
        if self._stopped.is_set() or self._quiet > (_QUIET_ROUNDS if self.calls else 1):
            self._quiet = 0
            self._resume.set()
        else:
            self.loop.call_soon(self._drain)

    def _handle(self, event: Any) -> None:
        if event.tag is _SHUT_DOWN:
            self._stopped.set()
        elif event.tag is _NEW_CALL:
            if event.success:
                self._accept(event)
            if not self.stopping:
                self._server.request_call(self._queue, self._queue, _NEW_CALL)
        else:
            event.tag(event)

    def _accept(self, event: Any) -> None:
        name, metadata = event.call_details.method, event.invocation_metadata
        request_id = self._ids.choose(metadata_value(metadata, HEADER))
        context = CallContext(request_id, event.call_details.deadline, metadata_value(metadata, TRACE_HEADER))
        call = _Call(self, event.call, context)
        event.call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(0),), call.closed)
        if name not in self._runs:
            call.finish(None, StatusError(Code.UNIMPLEMENTED, "Method not found!"))
        elif (refusal := self._refusal(name, metadata)) is not None:
            call.finish(None, refusal)
        else:
            self._receiving.begin(call, partial(call.receive, self._runs[name]))

    def _refusal(self, name: bytes, metadata: Any) -> StatusError | None:
        if self._tokens is None or name.startswith(self._open_prefix):
            return None
        return self._tokens.refusal(metadata_value(metadata, "authorization") or b"", scope_of(name.decode()))


class _Call:
    """One call on its way."""

    def __init__(self, server: CoreServer, call: Any, context: CallContext) -> None:
        self.server = server
        self.call = call
        self.context = context
        self.pending: asyncio.Future[Any] | None = None
        self.begun = False
        self.done = False

    def receive(self, run: Callable[[_Call, bytes], None]) -> bool:
        """Ask for the request; False if nobody waits for an answer any more."""
        if not self.done:
            self.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), partial(self.received, run))
        return not self.done

    def received(self, run: Callable[[_Call, bytes], None], event: Any) -> None:
        """The request is there, or never will be."""
        self.server.received(self)
        data = event.batch_operations[0].message()
        if data is None:
            self.finish(None, StatusError(Code.UNIMPLEMENTED, "Exactly one request message is required"))
        else:
            # Not from here: answers that are sent in a row cost less than ones between events.
            self.server.loop.call_soon(run, self, data)

    def closed(self, event: Any) -> None:
        """The call is over for the client: finished, or given up."""
        if event.batch_operations[0].cancelled():
            self.done = True
            if self.pending is not None:
                self.pending.cancel()

    def run(self, data: bytes, method: Method) -> None:
        """Run the method, and send what comes of it, now or later; not for a client that has left."""
        if self.done:
            return
        try:
            outcome = method(data, self.context)
        except Exception as error:  # noqa: BLE001 - as_status reports what is not a StatusError
            self.finish(None, as_status(error, self.context.request_id))
            return
        if isinstance(outcome, Answer):
            self.finish(outcome.body, None)
        else:
            self._await(asyncio.ensure_future(outcome))

    def run_stream(self, data: bytes, method: Stream) -> None:
        """Run the method, and send each message that it gives."""
        self._await(asyncio.ensure_future(self._send_all(data, method)))

    async def _send_all(self, data: bytes, method: Stream) -> None:
        """Send the next message when the last has been taken."""
        async for response in method(data, self.context):
            sent = asyncio.get_running_loop().create_future()
            operations = [*self._begin(), cygrpc.SendMessageOperation(response, 0)]
            self.call.start_server_batch(tuple(operations), partial(_note, sent))
            await sent

    def _await(self, future: asyncio.Future[Any]) -> None:
        self.pending = future
        self.server.calls.add(self)
        future.add_done_callback(self._ended)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self.server.calls.discard(self)
        if future.cancelled():
            self.finish(None, StatusError(Code.CANCELLED, "The call was cancelled"))
            return
        error = future.exception()
        if error is not None:
            self.finish(None, as_status(error, self.context.request_id))
        else:
            answer = future.result()
            self.finish(answer.body if isinstance(answer, Answer) else None, None)

    def _begin(self) -> list[Any]:
        """What has to go before the first message or the status."""
        if self.begun:
            return []
        self.begun = True
        return [cygrpc.SendInitialMetadataOperation(None, 0)]

    def finish(self, response: bytes | None, error: StatusError | None) -> None:
        """Send the response and the status; once, and not to clients that have left."""
        if self.done:
            return
        self.done = True
        code, message = (Code.OK, b"") if error is None else (error.code, error.grpc_message.encode("utf-8", "replace"))
        operations = self._begin()
        if response is not None:
            operations.append(cygrpc.SendMessageOperation(response, 0))
        trailing = ((HEADER, self.context.request_id),)
        operations.append(cygrpc.SendStatusFromServerOperation(trailing, int(code), message, 0))
        self.call.start_server_batch(tuple(operations), _sent)


def _end_for_memory(call: Any) -> None:
    """Refuse a call whose message would take more memory than requests may."""
    call.finish(None, StatusError(Code.RESOURCE_EXHAUSTED, _TOO_MUCH))


def _note(sent: asyncio.Future[None], _event: Any) -> None:
    """The message is on its way, or the client has gone and the call's task is cancelled."""
    if not sent.done():
        sent.set_result(None)


def _sent(_event: Any) -> None:
    """Nothing is left to do."""
