"""A gRPC server on grpc.aio: the same as CoreServer, for a grpcio without the bindings that it needs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import grpc

from hilir.serving.server.grpc.grpc_call import CallContext, Method, Stream, metadata_value, scope_of
from hilir.serving.server.inference.call import Answer
from hilir.serving.server.inference.service import as_status
from hilir.serving.server.security.tokens import Tokens
from hilir.serving.server.status import Code, StatusError
from hilir.serving.server.telemetry.request_ids import HEADER, RequestIds
from hilir.serving.server.telemetry.tracing import HEADER as TRACE_HEADER

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class AioServer:
    """Serves methods by full name; arguments as those of CoreServer."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        streams: Mapping[str, Stream],
        options: Sequence[tuple[str, Any]],
        ids: RequestIds,
        tokens: Tokens | None,
        open_prefix: str,
    ) -> None:
        self.stopping = False
        self._ids = ids
        self._server = grpc.aio.server(options=options, interceptors=[_Door(self._refusal, tokens, open_prefix)])
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(partial(self._call, method)) for name, method in methods.items()
        }
        for name, stream in streams.items():
            handlers[name] = grpc.unary_stream_rpc_method_handler(partial(self._stream, stream))
        services: dict[str, dict[str, Any]] = {}
        for full_name, handler in handlers.items():
            _, service, name = full_name.split("/")
            services.setdefault(service, {})[name] = handler
        for service, of_service in services.items():
            generic = grpc.method_handlers_generic_handler(service, of_service)
            self._server.add_generic_rpc_handlers((generic,))

    def add_port(self, address: str, credentials: grpc.ServerCredentials | None) -> None:
        """Listen on an address.

        Raises:
            RuntimeError: it is taken.
        """
        if credentials is None:
            self._server.add_insecure_port(address)
        else:
            self._server.add_secure_port(address, credentials)

    async def start(self) -> None:
        """Accept calls."""
        await self._server.start()

    async def stop(self, grace: float) -> None:
        """Let running calls finish within `grace` seconds, then end them."""
        self.stopping = True
        await self._server.stop(grace)

    def _begin(self, context: Any) -> CallContext:
        metadata = context.invocation_metadata()
        request_id = self._ids.choose(metadata_value(metadata, HEADER))
        context.set_trailing_metadata(((HEADER, request_id),))
        left = context.time_remaining()
        deadline = None if left is None else time.time() + left
        return CallContext(request_id, deadline, metadata_value(metadata, TRACE_HEADER))

    async def _call(self, method: Method, data: bytes, context: Any) -> bytes:
        begun = self._begin(context)
        try:
            outcome = method(data, begun)
            return (outcome if isinstance(outcome, Answer) else await outcome).body
        except Exception as error:  # noqa: BLE001 - as_status reports what is not a StatusError
            await _abort(context, as_status(error, begun.request_id))
        raise AssertionError("abort returned")

    async def _stream(self, method: Stream, data: bytes, context: Any) -> AsyncIterator[bytes]:
        begun = self._begin(context)
        try:
            async for response in method(data, begun):
                yield response
        except Exception as error:  # noqa: BLE001 - as_status reports what is not a StatusError
            await _abort(context, as_status(error, begun.request_id))

    def _refusal(self, error: StatusError) -> Any:
        """A handler that answers with an error."""

        async def refuse(_request: bytes, context: Any) -> bytes:
            self._begin(context)
            await _abort(context, error)
            raise AssertionError("abort returned")

        return grpc.unary_unary_rpc_method_handler(refuse)


class _Door(grpc.aio.ServerInterceptor):
    """Refuses unknown methods, and calls without an accepted bearer token."""

    def __init__(self, refusal: Callable[[StatusError], Any], tokens: Tokens | None, open_prefix: str) -> None:
        self._tokens = tokens
        self._open_prefix = open_prefix
        self._unknown = refusal(StatusError(Code.UNIMPLEMENTED, "Method not found!"))
        self._refusal = refusal

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return self._unknown
        method = handler_call_details.method
        if self._tokens is None or method.startswith(self._open_prefix):
            return handler
        token = metadata_value(handler_call_details.invocation_metadata, "authorization")
        error = self._tokens.refusal(token or b"", scope_of(method))
        return handler if error is None else self._refusal(error)


async def _abort(context: Any, error: StatusError) -> None:
    await context.abort(_CODES[int(error.code)], error.grpc_message.encode("utf-8", "replace").decode())
