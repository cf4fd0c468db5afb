"""grpc.health.v1: the state of the whole server, for a check now and for watchers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from hilir.serving.server.grpc.grpc_call import CallContext, Method, Stream
from hilir.serving.server.inference.call import Answer
from hilir.serving.server.status import Code, StatusError, invalid_argument, not_found

PREFIX = "/grpc.health.v1.Health/"
_SERVICES = ("", "ModelService", "PredictionService")
_WATCH_SECONDS = 0.2


def _service_of(data: bytes) -> str:
    try:
        return str(HealthCheckRequest.FromString(data).service)
    except DecodeError:
        raise invalid_argument("Not a grpc.health.v1.HealthCheckRequest") from None


def _encode(status: int) -> bytes:
    return bytes(HealthCheckResponse(status=status).SerializeToString())


def _state(is_ready: bool) -> int:
    return int(HealthCheckResponse.SERVING if is_ready else HealthCheckResponse.NOT_SERVING)


def health_check(is_ready: Callable[[], bool]) -> Method:
    """Health/Check for the whole server and both services."""

    def check(data: bytes, _context: CallContext) -> Answer:
        service = _service_of(data)
        if service not in _SERVICES:
            raise not_found(f"unknown service {service}")
        return Answer(_encode(_state(is_ready())))

    return check


def health_watch(is_ready: Callable[[], bool], is_stopping: Callable[[], bool]) -> Stream:
    """Health/Watch: the state now, and each time it changes, until the server stops."""

    async def watch(data: bytes, _context: CallContext) -> AsyncIterator[bytes]:
        known = _service_of(data) in _SERVICES
        reported = None
        while not is_stopping():
            status = _state(is_ready()) if known else int(HealthCheckResponse.SERVICE_UNKNOWN)
            if status != reported:
                yield _encode(status)
                reported = status
            await asyncio.sleep(_WATCH_SECONDS)
        if reported == HealthCheckResponse.SERVING:
            yield _encode(int(HealthCheckResponse.NOT_SERVING))
        raise StatusError(Code.CANCELLED, "The server is shutting down")

    return watch
