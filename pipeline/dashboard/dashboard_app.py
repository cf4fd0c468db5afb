"""The web application of the dashboard."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from hilir.pipeline.dashboard.actions import VERBS, Outcome, Targets, act
from hilir.pipeline.dashboard.pages import Pages
from hilir.pipeline.dashboard.run_pages import Run
from hilir.pipeline.dashboard.security import COOKIE, REPORT_POLICY, Gate, Guard
from hilir.pipeline.dashboard.workplace import Workplace
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.report.page import NAME as REPORT
from hilir.pipeline.report.page import make_environment
from hilir.pipeline.report.page.render import read_style
from hilir.serving.web import read_body

_HERE = Path(__file__).parent
_MOST_FORM_BYTES = 10_000
_MOST_WHY = 500


def make_app(workplace: Workplace, guard: Guard, targets: Targets, hosts: frozenset[str] = frozenset()) -> Starlette:
    """Returns the application.

    Args:
        workplace: the folders that it shows.
        guard: what protects changes.
        targets: the servers that the verbs of a release talk to.
        hosts: names by which it may be called, next to loopback's.
    """
    app = _Dashboard(workplace, guard, targets)
    routes = [
        Route("/", app.list_runs),
        Route("/runs/{run}", app.show_run),
        Route("/runs/{run}/report", app.show_report),
        Route("/compare", app.compare),
        Route("/versions", app.list_versions),
        Route("/versions", app.change, methods=["POST"]),
        Route("/experiments", app.list_experiments),
        Route("/experiments/{model}/{experiment}", app.show_experiment),
        Route("/drift", app.list_drift),
        Route("/triggers", app.list_triggers),
        Route("/disk", app.measure_disk),
        Route("/style.css", app.style),
        Route("/htmx.js", app.script),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Gate, hosts=hosts)],
        exception_handlers={HTTPException: app.refuse, 404: app.refuse},
    )


class _Dashboard:
    """The handlers; Starlette runs those that are not coroutines in threads."""

    def __init__(self, workplace: Workplace, guard: Guard, targets: Targets) -> None:
        self._pages = Pages(workplace)
        self._guard, self._targets = guard, targets
        self._templates = make_environment(_HERE / "templates")

    def list_runs(self, request: Request) -> Response:
        query = request.query_params
        page = _number(query.get("page", "1"))
        found = self._pages.list_runs(query.get("model", ""), query.get("status", ""), page)
        return self._page(request, "runs.html", **found)

    def show_run(self, request: Request) -> Response:
        return self._page(request, "run.html", **self._pages.show_run(self._find(request.path_params["run"])))

    def show_report(self, request: Request) -> Response:
        path = self._find(request.path_params["run"]).folder / REPORT
        if not path.is_file():
            raise HTTPException(404, "this run has no report")
        return HTMLResponse(path.read_bytes(), headers={"Content-Security-Policy": REPORT_POLICY})

    def compare(self, request: Request) -> Response:
        chosen = request.query_params.getlist("run")
        if len(chosen) != 2:
            raise HTTPException(400, "choose two runs to compare")
        # The older one first: what changed is read forwards.
        one, other = sorted(map(self._find, chosen), key=lambda run: run.began)
        try:
            comparison = self._pages.compare_runs(one, other)
        except ConfigError as error:
            raise HTTPException(404, str(error)) from None
        return self._page(request, "compare.html", comparison=comparison)

    def list_versions(self, request: Request) -> Response:
        return self._versions(request)

    async def change(self, request: Request) -> Response:
        form = await _read_form(request)
        if not self._guard.has_signature(request.cookies.get(COOKIE, ""), form.get("csrf", "")):
            raise HTTPException(403, "the form is not of this page any more; load it again")
        if not self._guard.allows(form.get("token", "")):
            raise HTTPException(403, "that is not the dashboard's token; nothing was changed")
        verb, name = form.get("verb", ""), form.get("model", "")
        models = await run_in_threadpool(self._pages.list_models)
        root = next((model.root for model in models["found"] if model.name == name), None)
        if verb not in VERBS or root is None:
            raise HTTPException(400, "there is no such verb or model")
        why = form.get("why", "")[:_MOST_WHY]
        outcome = await run_in_threadpool(act, root, name, verb, why, self._targets)
        return await run_in_threadpool(self._versions, request, outcome)

    def list_experiments(self, request: Request) -> Response:
        return self._page(request, "experiments.html", **self._pages.list_experiments())

    def show_experiment(self, request: Request) -> Response:
        found = self._pages.show_experiment(request.path_params["model"], request.path_params["experiment"])
        if found is None:
            raise HTTPException(404, "there is no such experiment")
        return self._page(request, "experiment.html", **found)

    def list_drift(self, request: Request) -> Response:
        return self._page(request, "drift.html", **self._pages.list_drift())

    def list_triggers(self, request: Request) -> Response:
        return self._page(request, "triggers.html", **self._pages.list_triggers())

    def measure_disk(self, request: Request) -> Response:
        return self._page(request, "disk.html", **self._pages.measure_disk())

    def style(self, request: Request) -> Response:
        del request
        return Response(self._style, media_type="text/css")

    def script(self, request: Request) -> Response:
        del request
        return Response(self._script, media_type="text/javascript")

    def refuse(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = error.detail if isinstance(error, HTTPException) else "that did not work; see the server's output"
        return self._page(request, "error.html", status=status, detail=detail)

    @cached_property
    def _style(self) -> str:
        return str(read_style()) + (_HERE / "templates" / "dashboard.css").read_text(encoding="utf-8")

    @cached_property
    def _script(self) -> bytes:
        return (files(__package__) / "vendor" / "htmx" / "htmx.min.js").read_bytes()

    def _versions(self, request: Request, outcome: Outcome | None = None) -> Response:
        found = self._pages.list_models()
        session = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        response = self._page(
            request, "versions.html", status=200 if outcome is None or outcome.done else 409, outcome=outcome,
            csrf=self._guard.sign(session), may_change=self._guard.token is not None, **found,
        )  # fmt: skip
        response.set_cookie(COOKIE, session, httponly=True, samesite="strict", path="/")
        return response

    def _find(self, run_id: str) -> Run:
        found = self._pages.runs.find(run_id)
        if found is None:
            raise HTTPException(404, f"there is no run '{run_id}'")
        return found

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        render: Callable[..., str] = self._templates.get_template(template).render
        return HTMLResponse(render(path=request.url.path, status=status, **values), status)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= 100_000:
        raise HTTPException(400, "there is no such page")
    return int(text[:9])


async def _read_form(request: Request) -> dict[str, str]:
    body = await read_body(request, _MOST_FORM_BYTES)
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise HTTPException(400, "the form has more fields than the page's") from None
