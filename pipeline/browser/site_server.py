"""Serves the browser page."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hilir.pipeline.browser.served_models import RowRefused, ServedModels
from hilir.pipeline.browser.site import Site, collect_site, is_plain_file
from hilir.pipeline.errors import ConfigError
from hilir.serving.web import HostGate, WebServer, read_body

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
_LONGEST_ROW = 1_000_000
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json"}


def make_site_server(address: tuple[str, int], root: Path) -> WebServer:
    """Returns a server of the page at `/`, which listens already.

    Raises:
        ConfigError: the address is taken or not of this machine.
    """
    app = _SiteApp(root)
    routes = [
        Route("/predict/{model}/{version:int}", app.predict, methods=["POST"]),
        Route("/{path:path}", app.answer),
    ]
    try:
        return WebServer(HostGate(Starlette(routes=routes), address[0]), address)
    except OSError as error:
        raise ConfigError(
            f"{address[0]}:{address[1]}: cannot be listened on ({error.strerror}); give another --port or --host"
        ) from None


class _SiteApp:
    """The page, with the newest versions at the time it is loaded."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._site: Site = collect_site(root, served=True)
        self._models = ServedModels(root)

    async def predict(self, request: Request) -> Response:
        """Answers with what a version without an export gives for the row in the body."""
        # Pages of other origins cannot send this type without being asked first.
        if request.headers.get("content-type") != "application/json":
            return _refuse(415, "send a row as application/json")
        body = await read_body(request, _LONGEST_ROW)
        model, number = request.path_params["model"], request.path_params["version"]
        try:
            row = json.loads(body)
            if not isinstance(row, dict):
                return _refuse(400, "the row is not a JSON object")
            return JSONResponse(await run_in_threadpool(self._models.predict, model, number, row), headers=_HEADERS)
        except (ValueError, RecursionError):
            return _refuse(400, "the row is not JSON")
        except RowRefused as error:
            return _refuse(400, str(error))
        except ConfigError:
            return _refuse(404, "there is no such version")

    def answer(self, request: Request) -> Response:
        """Answers with a file of the site; a new page looks for new versions."""
        path = request.path_params["path"]
        if path == "":
            self._site = collect_site(self._root, served=True)
        content = self._site.get(path or "index.html")
        suffix = Path(path or "index.html").suffix
        kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
        if isinstance(content, bytes):
            return Response(content, headers={**_HEADERS, "Content-Type": kind})
        if content is None or not is_plain_file(content):
            return PlainTextResponse("There is no such page.\n", 404, _HEADERS)
        return FileResponse(content, headers={**_HEADERS, "Content-Type": kind})


def _refuse(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status, _HEADERS)
