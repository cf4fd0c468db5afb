"""A gRPC server on grpcio's own core bindings, driven by the asyncio event loop; requests are single messages.

`grpc.aio` spends four times as long per call (0.25 ms) as these bindings do, more than a small model's run. They
are private to grpcio, so that `is_available` checks for them, and `grpc_server` falls back to `grpc.aio`.
While calls come in, the loop itself takes events off the completion queue: no thread has to be woken per event.
When nothing more is there, a thread waits for the next one and wakes the loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import grpc
from grpc._cython import cygrpc

from hilir.serving.server.security.tokens import Tokens
from hilir.serving.server.status import Code, StatusError

Method = Callable[[bytes, Any], Awaitable[bytes]]
Stream = Callable[[bytes, Any], AsyncIterator[bytes]]
"""A method that answers one message with many; it has to end when the server stops."""
_NEW_CALL, _SHUT_DOWN = object(), object()
_EVENTS_PER_ROUND = 64
# Rounds of the loop to look again, while calls are open, before a thread has to wait: some 0.2 ms.
_QUIET_ROUNDS = 20
_NEEDED = (
    "CompletionQueue",
    "Server",
    "ReceiveCloseOnServerOperation",
    "ReceiveMessageOperation",
    "SendInitialMetadataOperation",
    "SendMessageOperation",
    "SendStatusFromServerOperation",
)


def is_available() -> bool:
    """True if this grpcio has the bindings."""
    return all(hasattr(cygrpc, name) for name in _NEEDED) and hasattr(cygrpc.Server, "request_call")


class CallContext:
    """What a method may know of its call: the part of grpc.aio's ServicerContext that ours use."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline

    def time_remaining(self) -> float | None:
        """Seconds until the client gives up; None if it never does."""
        if self._deadline is None or self._deadline - time.time() > 1e8:
            return None
        return max(self._deadline - time.time(), 0.0)


class CoreServer:
    """Serves methods by full name, such as `/tensorflow.serving.PredictionService/Predict`.

    Args:
        methods: bytes in, bytes out; a StatusError becomes the call's status.
        streams: the same, with several messages out.
        options: channel arguments.
        tokens: bearer tokens, one of which calls must carry; None asks for none.
        open_prefix: methods whose names begin with this need no token.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        streams: Mapping[str, Stream],
        options: Sequence[tuple[str, Any]],
        tokens: Tokens | None,
        open_prefix: str,
    ) -> None:
        runs = [(name, partial(_Call.run, method=method)) for name, method in methods.items()]
        runs += [(name, partial(_Call.stream, method=method)) for name, method in streams.items()]
        self._runs = {name.encode(): run for name, run in runs}
        self._tokens = tokens
        self._open_prefix = open_prefix.encode()
        self._server = cygrpc.Server(tuple(options), False)
        self._queue = cygrpc.CompletionQueue()
        self._server.register_completion_queue(self._queue)
        self._calls: set[asyncio.Task[None]] = set()
        self._quiet = 0
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
        """Accept calls."""
        self._loop = asyncio.get_running_loop()
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
                self._loop.call_soon_threadsafe(self._wake, event)
            except RuntimeError:
                return
            self._resume.wait()

    def _wake(self, event: Any) -> None:
        self._handle(event)
        self._drain()

    def _drain(self) -> None:
        for _ in range(_EVENTS_PER_ROUND):
            event = self._queue.poll(0.0)
            if event.completion_type == cygrpc.CompletionType.queue_timeout:
                break
            self._quiet = 0
            self._handle(event)
        self._quiet += 1
        if self._stopped.is_set() or self._quiet > (_QUIET_ROUNDS if self._calls else 1):
            self._quiet = 0
            self._resume.set()
        else:
            self._loop.call_soon(self._drain)

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
        name = event.call_details.method
        problem = None
        if name not in self._runs:
            problem = StatusError(Code.UNIMPLEMENTED, "Method not found!")
        elif not self._is_allowed(name, event.invocation_metadata):
            problem = StatusError(Code.UNAUTHENTICATED, "Missing or unknown bearer token")
        call = _Call(self, event.call, event.call_details.deadline)
        event.call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(0),), call.closed)
        if problem is not None:
            call.finish(None, problem)
            return
        receive = (cygrpc.ReceiveMessageOperation(0),)
        event.call.start_server_batch(receive, partial(call.received, self._runs[name]))

    def _is_allowed(self, name: bytes, metadata: Any) -> bool:
        if self._tokens is None or name.startswith(self._open_prefix):
            return True
        for key, value in metadata or ():
            if key == "authorization":
                return self._tokens.allows(value if isinstance(value, bytes) else value.encode())
        return False

    def run(self, call: _Call, run: Callable[..., Coroutine[Any, Any, None]], data: bytes) -> None:
        """Run a call as a task."""
        call.task = self._loop.create_task(run(call, data))
        self._calls.add(call.task)
        call.task.add_done_callback(self._calls.discard)


class _Call:
    """One call on its way."""

    def __init__(self, server: CoreServer, call: Any, deadline: float | None) -> None:
        self.server = server
        self.call = call
        self.context = CallContext(deadline)
        self.task: asyncio.Task[None] | None = None
        self.begun = False
        self.done = False

    def received(self, run: Callable[..., Coroutine[Any, Any, None]], event: Any) -> None:
        """The request is there, or never will be."""
        data = event.batch_operations[0].message()
        if data is None:
            self.finish(None, StatusError(Code.UNIMPLEMENTED, "Exactly one request message is required"))
        else:
            self.server.run(self, run, data)

    def closed(self, event: Any) -> None:
        """The call is over for the client: finished, or given up."""
        if event.batch_operations[0].cancelled():
            self.done = True
            if self.task is not None:
                self.task.cancel()

    async def run(self, data: bytes, method: Method) -> None:
        """Run the method, and send what comes of it."""
        try:
            self.finish(await method(data, self.context), None)
        except StatusError as error:
            self.finish(None, error)

    async def stream(self, data: bytes, method: Stream) -> None:
        """Run the method, and send each message that it gives, the next one when the last has been taken."""
        try:
            async for response in method(data, self.context):
                sent = asyncio.get_running_loop().create_future()
                operations = [*self._begin(), cygrpc.SendMessageOperation(response, 0)]
                self.call.start_server_batch(tuple(operations), partial(_note, sent))
                await sent
            self.finish(None, None)
        except StatusError as error:
            self.finish(None, error)

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
        operations.append(cygrpc.SendStatusFromServerOperation((), int(code), message, 0))
        self.call.start_server_batch(tuple(operations), _sent)


def _note(sent: asyncio.Future[None], _event: Any) -> None:
    """The message is on its way, or the client has gone and the call's task is cancelled."""
    if not sent.done():
        sent.set_result(None)


def _sent(_event: Any) -> None:
    """Nothing is left to do."""
