"""The same small application on each candidate: `python -m benchmarks.serve.candidates.apps NAME PORT`.

It answers with the size of the decoded body, and does by itself what no server does: content codings, CORS, and the
limit of a body that is read in parts. What is left to the server is HTTP.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.rest.http_body import BodyError, decode_body

MAX_BODY = 8 << 20
SECONDS = 2
IDLE_SECONDS = 5
CORS = [
    ("access-control-allow-origin", "*"),
    ("access-control-allow-methods", "POST, GET"),
    ("access-control-allow-headers", "Authorization, Content-Type"),
]
Answer = tuple[int, bytes]


def answer(path: str, coding: str, body: bytes) -> Answer:
    """Status and JSON body for a request that was read whole."""
    if path != "/echo":
        return 404, b'{"error": "not found"}'
    try:
        size = len(decode_body(body, coding.encode("latin-1"), MAX_BODY, MemoryBudget().take))
    except BodyError as error:
        return error.status, json.dumps({"error": str(error)}).encode()
    return 200, json.dumps({"size": size}).encode()


def too_large(length: str) -> bool:
    """Whether a body is refused before it is read."""
    return length.isdigit() and int(length) > MAX_BODY


def headers_for(body: bytes) -> list[tuple[str, str]]:
    """Headers of an answer."""
    return [("content-type", "application/json"), ("content-length", str(len(body))), *CORS]


async def own(port: int) -> None:
    """The server of this repository."""
    from hilir.serving.server.rest.http_message import HttpLimits, Request, Respond, Response
    from hilir.serving.server.rest.http_server import HttpServer

    def handle(request: Request, respond: Respond) -> None:
        # The body is decoded already.
        status, body = answer(request.target.decode("latin-1"), "", request.body)
        respond(Response(status, body, [("content-type", "application/json"), *CORS]))

    limits = HttpLimits(
        max_body=MAX_BODY, header_seconds=SECONDS, body_stall_seconds=SECONDS, idle_seconds=IDLE_SECONDS
    )
    server = HttpServer(handle, limits, MemoryBudget())
    await asyncio.get_running_loop().create_server(server.factory, "127.0.0.1", port, backlog=1024)
    await server.sweep()


async def aiohttp(port: int) -> None:
    """aiohttp's low-level server."""
    from aiohttp import HttpVersion11, web

    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        data = b""
        if request.version == HttpVersion11 and request.headers.get("expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if too_large(request.headers.get("content-length", "")):
            status, body = 413, b'{"error": "too large"}'
        else:
            try:
                data = await asyncio.wait_for(_join(request.content.iter_any()), SECONDS)
            except TimeoutError:
                return web.Response(status=408)
            coding = ",".join(request.headers.getall("content-encoding", []))
            status, body = answer(request.path, coding, data)
        return web.Response(status=status, body=body, headers=dict(headers_for(body)))

    server = web.Server(handle, auto_decompress=False, access_log=None, keepalive_timeout=IDLE_SECONDS)
    await asyncio.get_running_loop().create_server(server, "127.0.0.1", port, backlog=1024)
    await asyncio.Event().wait()


async def _join(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])


async def granian(port: int) -> None:
    """Granian inside this event loop, with its own interface."""
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    async def app(scope: Any, protocol: Any) -> None:
        if too_large(scope.headers.get("content-length") or ""):
            status, body = 413, b'{"error": "too large"}'
        else:
            try:
                data = await asyncio.wait_for(protocol(), SECONDS)
                status, body = answer(scope.path, ",".join(scope.headers.get_all("content-encoding")), data)
            except TimeoutError:
                status, body = 408, b'{"error": "too slow"}'
        protocol.response_bytes(status, headers_for(body), body)

    settings = HTTP1Settings(header_read_timeout=SECONDS * 1000, pipeline_flush=True)
    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.RSGI,
        websockets=False,
        log_enabled=False,
        backlog=1024,
        http1_settings=settings,
    )
    await server.serve()


def uvicorn_with(protocol: str) -> Callable[[int], Awaitable[None]]:
    """uvicorn with one of its two parsers."""

    async def serve(port: int) -> None:
        import uvicorn

        config = uvicorn.Config(
            asgi,
            port=port,
            http=protocol,
            ws="none",
            lifespan="off",
            log_level="critical",
            access_log=False,
            timeout_keep_alive=IDLE_SECONDS,
        )
        await uvicorn.Server(config).serve()

    return serve


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """The application for uvicorn."""
    headers = dict(scope["headers"])
    if too_large(headers.get(b"content-length", b"").decode("latin-1")):
        status, body = 413, b'{"error": "too large"}'
    else:
        try:
            data = await asyncio.wait_for(_read(receive), SECONDS)
            coding = b",".join(value for name, value in scope["headers"] if name == b"content-encoding")
            status, body = answer(scope["path"], coding.decode("latin-1"), data)
        except TimeoutError:
            status, body = 408, b'{"error": "too slow"}'
    encoded = [(name.encode(), value.encode()) for name, value in headers_for(body)]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Any) -> bytes:
    data = b""
    while True:
        message = await receive()
        data += message.get("body", b"")
        if not message.get("more_body"):
            return data


CANDIDATES: dict[str, Callable[[int], Awaitable[None]]] = {
    "own": own,
    "aiohttp": aiohttp,
    "granian": granian,
    "uvicorn (httptools)": uvicorn_with("httptools"),
    "uvicorn (h11)": uvicorn_with("h11"),
}


async def _main() -> None:
    await CANDIDATES[sys.argv[1]](int(sys.argv[2]))


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main())
