"""Who may ask the dashboard for what: its own pages on this machine, and changes only with the token.

The Host header is checked, so that a foreign page whose name resolves to this machine (DNS rebinding) gets nothing.
A change needs the token, and a form that this server made for this browser (a signed double-submit cookie, OWASP
Cross-Site Request Forgery Prevention Cheat Sheet).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hilir.serving.web import is_own_host

COOKIE = "hilir_dashboard"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The report of a run is a page of its own, with its style in it and no script.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # Not 'no-referrer': a browser would then send the origin 'null' with a form, which is refused.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Guard:
    """What protects changes.

    Attributes:
        token: what a person must type to change something; None: nothing can be changed.
        key: of this process, for signatures.
    """

    token: str | None = None
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def allows(self, token: str) -> bool:
        """Returns whether that is the token, in a time that does not depend on how much of it is right."""
        return self.token is not None and hmac.compare_digest(token.encode(), self.token.encode())

    def sign(self, session: str) -> str:
        """Returns what a form must contain that was made for the browser with this cookie."""
        return hmac.new(self.key, session.encode(), hashlib.sha256).hexdigest()

    def has_signature(self, session: str, given: str) -> bool:
        """Returns whether the form was made for the browser with this cookie."""
        return bool(session) and hmac.compare_digest(self.sign(session).encode(), given.encode())


class Gate:
    """Refuses foreign hosts and origins, and adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        """`hosts`: names by which the dashboard may be called; addresses of loopback always are."""
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        headers = Headers(scope=scope)
        if not is_own_host(headers.get("host", ""), self._hosts) or not self._is_same(headers):
            refusal = PlainTextResponse("This is not an address of the dashboard.\n", 421, _HEADERS)
            await refusal(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in {**_HEADERS, "Content-Security-Policy": POLICY}.items():
                    found.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, add)

    def _is_same(self, headers: Mapping[str, str]) -> bool:
        """Returns whether a request that names its origin comes from this server's own pages."""
        origin = headers.get("origin")
        return origin is None or urlsplit(origin).netloc == headers.get("host")
