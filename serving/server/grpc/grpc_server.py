"""The gRPC port: server, credentials, bearer tokens, health service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from hilir.serving.errors import ServingConfigError, ServingStartError
from hilir.serving.server.grpc.grpc_core import CoreServer, Stream, is_available
from hilir.serving.server.grpc.grpc_service import GrpcApi, Method
from hilir.serving.server.options import ServeOptions
from hilir.serving.server.protos import HealthCheckRequest, HealthCheckResponse
from hilir.serving.server.security.tls import TlsConfig, grpc_credentials
from hilir.serving.server.security.tokens import Tokens
from hilir.serving.server.status import Code, StatusError, invalid_argument, not_found

_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3
_WATCH_SECONDS = 0.2
_HEALTH = "/grpc.health.v1.Health/"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_SERVICES = ("", "ModelService", "PredictionService")


class _TokenCheck(grpc.aio.ServerInterceptor):
    """Refuses calls without an accepted bearer token; health checks need none."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

        async def refuse(_request: bytes, context: Any) -> bytes:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Missing or unknown bearer token")
            raise AssertionError("abort returned")

        self._refusal = grpc.unary_unary_rpc_method_handler(refuse)

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        if handler_call_details.method.startswith(_HEALTH):
            return await continuation(handler_call_details)
        for name, value in handler_call_details.invocation_metadata:
            if name == "authorization":
                raw = value if isinstance(value, bytes) else value.encode()
                if self._tokens.allows(raw):
                    return await continuation(handler_call_details)
        return self._refusal


def _service_of(data: bytes) -> str:
    try:
        return str(HealthCheckRequest.FromString(data).service)
    except DecodeError:
        raise invalid_argument("Not a grpc.health.v1.HealthCheckRequest") from None


def _health(status: int) -> bytes:
    return bytes(HealthCheckResponse(status=status).SerializeToString())


def health_check(is_ready: Callable[[], bool]) -> Method:
    """grpc.health.v1.Health/Check for the whole server and both services."""

    async def check(data: bytes, _context: Any) -> bytes:
        service = _service_of(data)
        if service not in _SERVICES:
            raise not_found(f"unknown service {service}")
        return _health(_SERVING if is_ready() else _NOT_SERVING)

    return check


def health_watch(is_ready: Callable[[], bool], is_stopping: Callable[[], bool]) -> Stream:
    """grpc.health.v1.Health/Watch: the state now, and each time it changes, until the server stops."""

    async def watch(data: bytes, _context: Any) -> AsyncIterator[bytes]:
        known = _service_of(data) in _SERVICES
        told = None
        while not is_stopping():
            status = _SERVICE_UNKNOWN if not known else _SERVING if is_ready() else _NOT_SERVING
            if status != told:
                yield _health(status)
                told = status
            await asyncio.sleep(_WATCH_SECONDS)
        if told == _SERVING:
            yield _health(_NOT_SERVING)
        raise StatusError(Code.CANCELLED, "The server is shutting down")

    return watch


class AioServer:
    """The same as CoreServer on grpc.aio, for a grpcio without the bindings that CoreServer needs."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        streams: Mapping[str, Stream],
        options: Sequence[tuple[str, Any]],
        tokens: Tokens | None,
    ) -> None:
        self.stopping = False
        interceptors = [_TokenCheck(tokens)] if tokens is not None else []
        self._server = grpc.aio.server(options=options, interceptors=interceptors)
        handlers = [
            (name, grpc.unary_unary_rpc_method_handler(partial(_call, method))) for name, method in methods.items()
        ]
        handlers += [
            (name, grpc.unary_stream_rpc_method_handler(partial(_stream, each))) for name, each in streams.items()
        ]
        services: dict[str, dict[str, Any]] = {}
        for full_name, handler in handlers:
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


async def _call(method: Method, data: bytes, context: Any) -> bytes:
    try:
        return await method(data, context)
    except StatusError as error:
        await _abort(context, error)
    raise AssertionError("abort returned")


async def _stream(method: Stream, data: bytes, context: Any) -> AsyncIterator[bytes]:
    try:
        async for response in method(data, context):
            yield response
    except StatusError as error:
        await _abort(context, error)


async def _abort(context: Any, error: StatusError) -> None:
    await context.abort(_CODES[int(error.code)], error.grpc_message.encode("utf-8", "replace").decode())


def make_grpc_server(
    api: GrpcApi, options: ServeOptions, tls: TlsConfig | None, tokens: Tokens | None, health: bool
) -> tuple[CoreServer | AioServer, list[str]]:
    """A server that listens, but is not started.

    Returns:
        The server, and the addresses it listens on.

    Raises:
        ServingConfigError: grpc_channel_arguments are not `key=value,key=value`.
        ServingStartError: a port is taken.
    """
    arguments = [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", options.max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", max(100, options.max_in_flight)),
        *_channel_arguments(options.grpc_channel_arguments),
    ]
    methods, streams = api.methods(), {}
    if health:
        methods[_HEALTH + "Check"] = health_check(api.core.is_ready)
        streams[_HEALTH + "Watch"] = health_watch(api.core.is_ready, lambda: server.stopping)
    server: CoreServer | AioServer
    if options.grpc_core and is_available():
        server = CoreServer(methods, streams, arguments, tokens, _HEALTH)
    else:
        server = AioServer(methods, streams, arguments, tokens)
    return server, _listen(server, options, grpc_credentials(tls) if tls is not None else None)


def _listen(
    server: CoreServer | AioServer, options: ServeOptions, credentials: grpc.ServerCredentials | None
) -> list[str]:
    listening: list[str] = []
    for address in _addresses(options):
        try:
            server.add_port(address, None if address.startswith("unix:") else credentials)
            listening.append(address)
        except RuntimeError:
            # Machines without IPv6 have no ::1.
            if address.startswith("[::1]") and listening:
                continue
            raise ServingStartError(
                f"Can't listen on {address} for gRPC. Is another server running? Choose another --port."
            ) from None
    return listening


def _addresses(options: ServeOptions) -> list[str]:
    hosts = [f"[{host}]" if ":" in host else host for host in options.hosts]
    addresses = [f"{host}:{options.port}" for host in hosts] if options.port else []
    return addresses + ([f"unix:{options.grpc_socket_path}"] if options.grpc_socket_path else [])


def _channel_arguments(text: str) -> list[tuple[str, Any]]:
    arguments: list[tuple[str, Any]] = []
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise ServingConfigError(
                f"--grpc_channel_arguments: {part!r} is not key=value. Separate arguments with commas."
            )
        arguments.append((key, int(value) if value.lstrip("-").isdigit() else value))
    return arguments
