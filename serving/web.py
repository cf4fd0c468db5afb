"""Serves a small web application from a thread: uvicorn, with the bounds that it lacks."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Collection
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 32
SECONDS = 10.0
"""How long a client may take for a request's head, for its next request, and to read a part of an answer."""


_LOOPBACK_NAME = "localhost"


def is_loopback(name: str) -> bool:
    """Returns whether it is an address of loopback, such as 127.0.0.1."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Returns whether a Host header names this machine's loopback, or one of `names`."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == _LOOPBACK_NAME or name in names or is_loopback(name)


async def read_body(request: Request, most: int, seconds: float | None = None) -> bytes:
    """Returns a request's body.

    Args:
        request: the request.
        most: how many bytes it may have.
        seconds: how long it may take; None for SECONDS.

    Raises:
        HTTPException: it is too large, takes too long, or ends too early.
    """
    data = bytearray()
    limit = SECONDS if seconds is None else seconds
    if int(request.headers.get("content-length") or 0) > most:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have {most} bytes")
    try:
        async with asyncio.timeout(limit):
            async for chunk in request.stream():
                data += chunk
                if len(data) > most:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have {most} bytes")
    except TimeoutError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, f"the body did not arrive within {limit:g} s") from None
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the connection ended within the body") from None
    return bytes(data)


class HostGate:
    """Refuses requests that name another host, as a page does whose name resolves to this machine (DNS rebinding).

    An application that listens for others may be called by names that it cannot know: for it nothing is refused.
    """

    def __init__(self, app: ASGIApp, listens_on: str) -> None:
        self._app, self._is_open = app, not is_own_host(f"[{listens_on}]" if ":" in listens_on else listens_on, ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if self._is_open or is_own_host(Headers(scope=scope).get("host", ""), ()):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("This is not an address of this server.\n", 421)(scope, receive, send)


class WebServer:
    """A web application at an address, served while the context is open."""

    def __init__(self, app: ASGIApp, address: tuple[str, int], connections: int = MOST_CONNECTIONS) -> None:
        """Listens; clients wait until the context is entered.

        Args:
            app: the application.
            address: host and port; port 0 has the system choose one.
            connections: more of them at a time are closed.

        Raises:
            OSError: the address is taken or not of this machine.
        """
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family)
        self._address = self._socket.getsockname()
        # h11, not httptools: with that one an offer to upgrade to HTTP/2 costs the request's body.
        config = uvicorn.Config(
            _OriginForm(app),
            http=type("BoundedProtocol", (_BoundedProtocol,), {"most": connections}),
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    @property
    def port(self) -> int:
        """The port, which the system chose if 0 was asked for."""
        return int(self._address[1])

    @property
    def url(self) -> str:
        """Where the application is, without a slash at its end."""
        host = str(self._address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def wait(self) -> None:
        """Returns when the server has been stopped."""
        self._thread.join()

    def stop(self) -> None:
        """Finishes what is being answered, and gives the port back; may be repeated."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _OriginForm:
    """Takes the scheme and host from an absolute request target (RFC 9112, section 3.2.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith("/"):
            scope = {**scope, "path": urlsplit(scope["path"]).path or "/"}
        await self._app(scope, receive, send)


class _BoundedProtocol(H11Protocol):
    """Closes what exceeds the number of connections, and clients that are too slow.

    uvicorn itself bounds only the time between two requests.
    """

    most = MOST_CONNECTIONS
    _deadline: asyncio.TimerHandle | None = None
    _since = 0.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._since = self.loop.time()
        self._start()
        if len(self.connections) > self.most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop()
        self._start()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop()
        self._watch()

    def _make_room(self) -> None:
        """Closes the connection whose client has kept it waiting longest: those that trickle lock nobody out."""
        ours = (each for each in self.connections if isinstance(each, _BoundedProtocol))
        longest = min((each for each in ours if each._is_waiting()), key=lambda each: each._since)
        self.connections.discard(longest)
        longest.transport.abort()

    def _is_waiting(self) -> bool:
        """Returns whether it is the client's turn: to send a request or the rest of its body, or to read the answer."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body or self.flow.write_paused

    def _watch(self) -> None:
        """The time runs unless the application is at work, which bounds the time for a body itself."""
        if self.cycle is not None and not self.cycle.response_complete:
            if not self.flow.write_paused:
                self._stop()
        elif self._deadline is None:
            self._start()

    def _start(self) -> None:
        self._deadline = self.loop.call_later(SECONDS, self.transport.abort)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
