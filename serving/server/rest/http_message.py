"""HTTP messages, and what a client may send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from hilir.serving.server.rest.json.json_response import encode_error

REASONS = {status.value: status.phrase for status in HTTPStatus} | {499: "Client Closed Request"}
# libevent's own error page, which TensorFlow Serving shows for what its API does not handle.
ERROR_PAGE = "<HTML><HEAD>\n<TITLE>{0} {1}</TITLE>\n</HEAD><BODY>\n<H1>{1}</H1>\n</BODY></HTML>\n"


@dataclass(frozen=True)
class HttpLimits:
    """What one client may ask of the server; times in seconds, sizes in bytes."""

    max_body: int = 128 << 20
    max_header: int = 64 << 10
    max_connections: int = 4096
    header_seconds: float = 20.0
    body_stall_seconds: float = 20.0
    idle_seconds: float = 120.0
    write_stall_seconds: float = 30.0


@dataclass(slots=True)
class Request:
    """A whole request; a handler gets it with its body inflated."""

    method: str
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes
    peer: str


@dataclass(slots=True)
class Response:
    """What to send back."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    close: bool = False


Respond = Callable[[Response], None]
Handler = Callable[[Request, Respond], None]


def error_page(status: int) -> Response:
    """libevent's HTML page for a status."""
    text = ERROR_PAGE.format(status, REASONS.get(status, "Error"))
    return Response(status, text.encode(), [("Content-Type", "text/html")], close=True)


def error_json(status: int, message: str, close: bool = False) -> Response:
    """An error as the REST API words it; the connection of a request that was read whole may stay open."""
    return Response(status, encode_error(message), [("Content-Type", "application/json")], close)
