"""What the pages of the dashboard show."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import requests

from hilir.pipeline.dashboard.run_pages import Runs
from hilir.pipeline.dashboard.workplace import Workplace
from hilir.pipeline.report.progress_log import ProgressLog
from hilir.serving.releases.release_store import Store
from hilir.serving.releases.state import Event, State, Version

Add = Callable[..., Path]


def get(address: str, code: int = 200) -> str:
    answer = requests.get(address, timeout=10)
    assert answer.status_code == code, answer.text
    return answer.text


def test_a_project_without_anything_has_pages(url: str) -> None:
    assert "There are no runs here yet" in get(f"{url}/")
    assert "Nothing has been pushed" in get(f"{url}/versions")
    assert "No model is watched" in get(f"{url}/triggers")
    assert "Nothing yet" in get(f"{url}/disk")


def test_runs_are_listed_filtered_and_paged(url: str, add_run: Add) -> None:
    for number in range(60):
        add_run(f"taxi-20261126-01{number:02}00", metrics={"auc": 0.9 + number / 1000, "example_count": 5.0})
    add_run("digits-20261125-010000", status="failed", version=None, metrics={}, reasons=["Trainer: <b>no</b>", "more"])
    page = get(f"{url}/")
    assert "61 runs, page 1 of 2" in page
    assert page.count('name="run"') == 50
    assert page.index("taxi-20261126-015900") < page.index("taxi-20261126-015800")
    assert 'href="/?page=2"' in page
    assert "digits-20261125-010000" in get(f"{url}/?page=2")
    failed = get(f"{url}/?model=digits&status=failed")
    assert "1 run." in failed
    assert 'Trainer: &lt;b&gt;no&lt;/b&gt; <span class="soft">and 1 more</span>' in failed
    assert "auc over 60 runs" in get(f"{url}/?model=taxi")


def test_a_run_has_its_report_its_log_and_a_comparison(url: str, add_run: Add) -> None:
    add_run("taxi-20261126-010000")
    add_run("taxi-20261126-020000", status="not_blessed", version=None, reasons=["auc is 0.5"])
    page = get(f"{url}/runs/taxi-20261126-020000")
    assert "auc is 0.5" in page
    assert "last &lt;line&gt;\\x1b[31m" in page
    assert "/compare?run=taxi-20261126-010000&amp;run=taxi-20261126-020000" in page
    report = requests.get(f"{url}/runs/taxi-20261126-020000/report", timeout=10)
    assert "sandbox" in report.headers["Content-Security-Policy"]
    assert "Is it good?" in report.text
    # In whatever order two are chosen, the older one is the first.
    compared = get(f"{url}/compare?run=taxi-20261126-020000&run=taxi-20261126-010000")
    assert compared.index("taxi-20261126-010000") < compared.index("taxi-20261126-020000")
    assert "choose two runs" in get(f"{url}/compare?run=taxi-20261126-020000", 400)
    assert "there is no run" in get(f"{url}/runs/nothing", 404)
    assert get(f"{url}/runs/..%2f..%2fetc", 404)


def test_a_run_at_work_is_followed(workplace: Workplace) -> None:
    folder = workplace.runs[0] / "taxi-20261126-010000"
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    runs = Runs(workplace.runs)
    program = (
        "import sys; from pathlib import Path; from hilir.pipeline.report.progress_log import ProgressLog\n"
        "log = ProgressLog(Path(sys.argv[1])); log.note('start', model='taxi', steps=['A'], edges=[])\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        assert [found.status for found in runs.list()] == ["running"]
        run.kill()
        run.wait()
    assert [found.status for found in runs.list()] == ["killed"]
    ProgressLog(folder).close()
    (folder / "summary.json").write_text(json.dumps({"status": "succeeded", "seconds": 1.0}))
    assert [found.status for found in runs.list()] == ["succeeded"]


def test_versions_have_metrics_labels_and_traffic(url: str, workplace: Workplace, add_version: Add) -> None:
    add_version("taxi", 1)
    add_version("taxi", 2, metrics={"overall": {"auc": 0.95}})
    (workplace.roots[0] / "taxi" / "3").mkdir()
    event = Event(at="2026-11-26T01:00:00Z", verb="canary", version=2, stable=1, candidate=2, percent=10.0, why="<try>")
    state = State(
        model="taxi", served_root="/models", versions={1: Version(manifest="a"), 2: Version(manifest="b")},
        labels={"stable": 1, "candidate": 2}, split={"stable": 90.0, "candidate": 10.0},
        history=(event,),
    )  # fmt: skip
    Store(workplace.roots[0]).write(state)
    page = get(f"{url}/versions")
    assert "Stable is version 1; version 2 is the candidate" in page
    assert '<data value="10.0" data-value="10.0">10</data> %' in page
    assert '<data value="0.95" data-value="0.95">0.95</data>' in page
    assert "&lt;try&gt;" in page
    assert "Promote version 2" in page


def test_a_release_state_that_cannot_be_read_does_not_hide_the_versions(
    url: str, workplace: Workplace, add_version: Add
) -> None:
    add_version("taxi", 1)
    (workplace.roots[0] / "taxi" / "release.json").write_text("{")
    page = get(f"{url}/versions")
    assert "not JSON" in page
    assert "2026-11-26 01:02" in page


def test_tensorflow_is_not_imported(workplace: Workplace, add_run: Add, add_version: Add) -> None:
    add_run("taxi-20261126-010000")
    add_run("taxi-20261126-020000")
    add_version("taxi", 1)
    folders = [str(place) for place in (*workplace.runs, *workplace.pipelines, *workplace.roots, *workplace.watches)]
    program = (
        "import sys, urllib.request\n"
        "from pathlib import Path\n"
        "from hilir.pipeline.cli.run import dashboard\n"
        "from hilir.pipeline.dashboard.actions import Targets\n"
        "from hilir.pipeline.dashboard.security import Guard\n"
        "from hilir.pipeline.dashboard.server import make_server\n"
        "from hilir.pipeline.dashboard.workplace import Workplace\n"
        "place = Workplace(*((Path(path),) for path in sys.argv[1:]))\n"
        "with make_server(('127.0.0.1', 0), place, Guard('0123456789abcdef'), Targets()) as server:\n"
        "    run = '/runs/taxi-20261126-010000'\n"
        "    both = '/compare?run=taxi-20261126-010000&run=taxi-20261126-020000'\n"
        "    for path in ('/', run, run + '/report', both, '/versions', '/triggers', '/disk'):\n"
        "        urllib.request.urlopen(server.url + path).read()\n"
        "names = ('tensorflow', 'tfx', 'apache_beam', 'tensorflow_model_analysis', 'ml_metadata', 'tensorboard')\n"
        "print([name for name in names if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *folders], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.stdout == "[]\n", done.stderr
