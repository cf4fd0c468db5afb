"""The gRPC port: server, credentials, bearer tokens, health service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from serving.errors import ServingConfigError, ServingStartError
from serving.server.access import Tokens
from serving.server.grpc_service import GrpcApi
from serving.server.options import ServeOptions
from serving.server.protos import HealthCheckRequest, HealthCheckResponse
from serving.server.tls import TlsConfig, grpc_credentials

_SERVING, _NOT_SERVING = 1, 2
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
        if handler_call_details.method.startswith("/grpc.health.v1.Health/"):
            return await continuation(handler_call_details)
        for name, value in handler_call_details.invocation_metadata:
            if name == "authorization":
                raw = value if isinstance(value, bytes) else value.encode()
                if self._tokens.allows(raw):
                    return await continuation(handler_call_details)
        return self._refusal


def health_handler(is_ready: Callable[[], bool]) -> grpc.GenericRpcHandler:
    """grpc.health.v1.Health/Check for the whole server and both services."""

    async def check(request: Any, context: Any) -> Any:
        if request.service not in _SERVICES:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service {request.service}")
        return HealthCheckResponse(status=_SERVING if is_ready() else _NOT_SERVING)

    handler = grpc.unary_unary_rpc_method_handler(
        check,
        request_deserializer=HealthCheckRequest.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})


def make_grpc_server(
    api: GrpcApi, options: ServeOptions, tls: TlsConfig | None, tokens: Tokens | None, health: bool
) -> tuple[grpc.aio.Server, list[str]]:
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
    interceptors = [_TokenCheck(tokens)] if tokens is not None else []
    server = grpc.aio.server(options=arguments, interceptors=interceptors)
    handlers = api.handlers()
    if health:
        handlers.append(health_handler(api.core.is_ready))
    server.add_generic_rpc_handlers(tuple(handlers))
    credentials = grpc_credentials(tls) if tls is not None else None
    listening = []
    for address in _addresses(options):
        try:
            if credentials is None or address.startswith("unix:"):
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, credentials)
            listening.append(address)
        except RuntimeError:
            # Machines without IPv6 have no ::1.
            if address.startswith("[::1]") and listening:
                continue
            raise ServingStartError(
                f"Can't listen on {address} for gRPC. Is another server running? Choose another --port."
            ) from None
    return server, listening


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
