"""Serves the browser page."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from hilir.pipeline.browser.site import Site, collect_site, is_plain_file
from hilir.pipeline.errors import ConfigError
from hilir.serving.web import WebServer

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from outside the page's own origin, and no code in the page but its own files.

WebAssembly needs 'wasm-unsafe-eval' (https://www.w3.org/TR/CSP3/#wasm-unsafe-eval).
"""

_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json"}


def make_site_server(address: tuple[str, int], root: Path) -> WebServer:
    """Returns a server of the page at `/`, which listens already.

    Raises:
        ConfigError: the address is taken or not of this machine.
    """
    app = _SiteApp(root)
    try:
        return WebServer(Starlette(routes=[Route("/{path:path}", app.answer)]), address)
    except OSError as error:
        raise ConfigError(
            f"{address[0]}:{address[1]}: cannot be listened on ({error.strerror}); give another --port or --host"
        ) from None


class _SiteApp:
    """The page, with the newest versions at the time it is loaded."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._site: Site = collect_site(root)

    def answer(self, request: Request) -> Response:
        """Answers with a file of the site; a new page looks for new versions."""
        path = request.path_params["path"]
        if path == "":
            self._site = collect_site(self._root)
        content = self._site.get(path or "index.html")
        suffix = Path(path or "index.html").suffix
        kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
        if isinstance(content, bytes):
            return Response(content, headers={**_HEADERS, "Content-Type": kind})
        if content is None or not is_plain_file(content):
            return PlainTextResponse("There is no such page.\n", 404, _HEADERS)
        return FileResponse(content, headers={**_HEADERS, "Content-Type": kind})
