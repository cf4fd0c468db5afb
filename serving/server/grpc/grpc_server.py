"""The gRPC port: server, credentials, addresses."""

from __future__ import annotations

import logging
from typing import Any

import grpc

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.grpc import grpc_compression, grpc_core, grpc_health
from hilir.serving.server.grpc.grpc_aio import AioServer
from hilir.serving.server.grpc.grpc_call import Stream
from hilir.serving.server.grpc.grpc_core import CoreServer
from hilir.serving.server.grpc.grpc_service import GrpcApi
from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.options import ServeOptions
from hilir.serving.server.ports import port_taken
from hilir.serving.server.security.tls import TlsConfig, grpc_credentials
from hilir.serving.server.security.tokens import Tokens
from hilir.serving.server.telemetry.request_ids import RequestIds

logger = logging.getLogger(__name__)


def make_grpc_server(
    api: GrpcApi,
    options: ServeOptions,
    ids: RequestIds,
    tls: TlsConfig | None,
    tokens: Tokens | None,
    budget: MemoryBudget,
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
        ("grpc.max_allowed_incoming_connections", options.max_connections),
        ("grpc.max_concurrent_streams", max(100, options.max_in_flight)),
        # Otherwise grpcio measures the connection, and takes megabytes of messages that it was not asked for.
        ("grpc.http2.bdp_probe", 0),
        grpc_compression.OPTION,
        *_channel_arguments(options.grpc_channel_arguments),
    ]
    methods = api.methods()
    streams: dict[str, Stream] = {}
    if options.enable_grpc_healthcheck_service or options.serves_project:
        methods[grpc_health.PREFIX + "Check"] = grpc_health.health_check(api.core.is_ready)
        streams[grpc_health.PREFIX + "Watch"] = grpc_health.health_watch(api.core.is_ready, lambda: server.stopping)
    inflating = grpc_compression.Inflating(budget, options.max_request_bytes)
    methods, streams = inflating.methods(methods), inflating.streams(streams)
    server: CoreServer | AioServer
    if options.grpc_core and _has_core():
        server = CoreServer(
            methods, streams, arguments, ids, tokens, grpc_health.PREFIX, budget, options.max_request_bytes
        )
    else:
        server = AioServer(methods, streams, arguments, ids, tokens, grpc_health.PREFIX)
    return server, _listen(server, options, grpc_credentials(tls) if tls is not None else None)


def _has_core() -> bool:
    missing = grpc_core.find_mismatch()
    if missing:
        logger.warning(
            "grpcio %s has no %s as this server uses it: gRPC runs on grpc.aio, at a quarter of the speed. "
            "Install the grpcio that hilir asks for.",
            grpc.__version__,
            missing,
        )
    return not missing


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
            raise port_taken(address, "gRPC", "--port", "it is taken, or not an address of this machine") from None
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
