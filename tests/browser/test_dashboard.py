"""The dashboard over a real run in Debian's Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from tests.browser.pages import check_page

TOKEN = "0123456789abcdef"
_RUN = """
import sys
from pathlib import Path
from hilir.pipeline.report.progress_log import ProgressLog
folder = Path(sys.argv[1])
folder.mkdir()
(folder / "config.yaml").touch()
log = ProgressLog(folder)
log.note("start", model="taxi", steps=["ExampleGen", "Trainer"], edges=[["ExampleGen", "Trainer"]])
print("ready", flush=True)
for line in sys.stdin:
    log.note("step", id="Trainer", state="running", seconds=1.0, made={"epoch": line.strip() + "/3", "loss": 0.5})
"""


@pytest.fixture(scope="module")
def workplace(taxi_run):
    from hilir.pipeline.dashboard.workplace import Workplace

    root = taxi_run[0].root
    return Workplace((root / "runs",), (root / "pipelines",), (root / "models",), (root / "watch",))


@pytest.fixture(scope="module")
def dashboard(workplace):
    from hilir.pipeline.dashboard.actions import Targets
    from hilir.pipeline.dashboard.security import Guard
    from hilir.pipeline.dashboard.server import make_server

    with make_server(("127.0.0.1", 0), workplace, Guard(TOKEN), Targets()) as server:
        yield server.url


@pytest.mark.parametrize("path", ["/", "/runs/RUN", "/compare?run=RUN&run=RUN", "/versions", "/triggers", "/disk"])
def test_it_is_for_everybody_and_asks_nobody(visit, dashboard, taxi_run, path):
    check_page(visit, f"{dashboard}{path.replace('RUN', taxi_run[1]['run_id'])}")


def test_every_link_leads_somewhere(visit, dashboard):
    waiting, seen = [f"{dashboard}/"], set()
    while waiting:
        address = waiting.pop()
        seen.add(address)
        answer = requests.get(address, timeout=20)
        assert answer.status_code == 200, address
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        page = visit(address).page
        links = page.eval_on_selector_all("a[href]", "links => links.map(each => each.getAttribute('href'))")
        found = {urljoin(address, link).partition("#")[0] for link in links}
        assert all(urlsplit(each).netloc == urlsplit(dashboard).netloc or each == "" for each in found)
        waiting += [each for each in found - seen if each and each not in waiting]
    assert len(seen) >= 6


def test_a_run_at_work_is_followed_without_a_reload(visit, dashboard, workplace):
    folder = workplace.runs[0] / "taxi-20990101-000000"
    with subprocess.Popen(
        [sys.executable, "-c", _RUN, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        page = visit(f"{dashboard}/runs/{folder.name}").page
        page.wait_for_selector("text=Running")
        for epoch in ("1", "2"):
            run.stdin.write(f"{epoch}\n")
            run.stdin.flush()
            page.wait_for_selector(f"text=epoch {epoch}/3", timeout=10_000)
        page.wait_for_selector("svg[aria-label^='loss by epoch']")
        (folder / "summary.json").write_text(json.dumps({"status": "failed", "seconds": 3.0, "reasons": ["no"]}))
        page.wait_for_selector("text=Failed", timeout=10_000)
        run.stdin.close()
        run.wait(10)


def test_it_works_without_script(visit, dashboard, taxi_run, workplace):
    shutil.copytree(workplace.runs[0] / taxi_run[1]["run_id"], workplace.runs[0] / "taxi-20990102-000000")
    page = visit(f"{dashboard}/", java_script_enabled=False).page
    page.get_by_label("Model").select_option("taxi")
    page.get_by_role("button", name="Show").click()
    assert "model=taxi" in page.url
    for run in ("taxi-20990102-000000", taxi_run[1]["run_id"]):
        page.get_by_label(f"Compare {run}").check()
    page.get_by_role("button", name="Compare").click()
    assert "/compare?" in page.url
    assert page.get_by_text("The effective configurations are the same.").is_visible()


def test_metrics_are_those_of_the_summary(visit, dashboard, taxi_run):
    result = taxi_run[1]
    page = visit(f"{dashboard}/runs/{result['run_id']}").page
    shown = dict(
        zip(
            page.locator("dl.facts dt").all_inner_texts(),
            page.locator("dl.facts data").evaluate_all("each => each.map(one => Number(one.value))"),
            strict=True,
        )
    )
    assert shown == result["metrics"]
