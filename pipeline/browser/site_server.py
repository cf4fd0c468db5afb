"""Serves the browser page."""

from __future__ import annotations

import mimetypes
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hilir.pipeline.browser.site import Site, collect_site, read_content
from hilir.pipeline.errors import ConfigError

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from outside the page's own origin, and no code in the page but its own files.

WebAssembly needs 'wasm-unsafe-eval' (https://www.w3.org/TR/CSP3/#wasm-unsafe-eval).
"""

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json"}


class SiteServer(ThreadingHTTPServer):
    """The page at `/`, with the newest versions at the time it is loaded."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], root: Path) -> None:
        """Listens.

        Raises:
            ConfigError: the address is taken or not of this machine.
        """
        self.root = root
        self.site: Site = collect_site(root)
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            raise ConfigError(
                f"{address[0]}:{address[1]}: cannot be listened on ({error.strerror}); give another --port or --host"
            ) from None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}/"

    def find(self, path: str) -> Path | bytes | None:
        """Returns the content for a path; a new page looks for new versions."""
        if path == "":
            self.site = collect_site(self.root)
        return self.site.get(path or "index.html")


class _Handler(BaseHTTPRequestHandler):
    server: SiteServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path).removeprefix("/")
        found = self.server.find(path)
        content = b"There is no such page.\n" if found is None else read_content(found)
        self.send_response(HTTPStatus.NOT_FOUND if found is None else HTTPStatus.OK)
        suffix = Path(path or "index.html").suffix
        kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
        self.send_header("Content-Type", "text/plain" if found is None else kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        try:
            self.end_headers()
            if body:
                self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the browser went away

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the page's own requests are no news."""
