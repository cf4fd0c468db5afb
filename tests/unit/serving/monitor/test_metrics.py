"""Figures for Prometheus, and the rules and panels that read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import yaml

from hilir.serving.errors import ServingConfigError
from hilir.serving.monitor.monitor import Monitor
from hilir.serving.monitor.monitor_metrics import serve_metrics, write_figures
from hilir.serving.monitor.window_store import MonitorStore
from tests.unit.serving.monitor.traffic import draw, line, make_reference, project, write_log, write_version

DEPLOY = Path(__file__).parents[4] / "deploy/serving"


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(3)
    write_version(tmp_path / "models", 1, make_reference(rng, **{'od"d\n': make_reference(rng).features["x"]}))
    requests = []
    for number in range(3):
        inputs, outputs = draw(rng, 1000, shift=float(number > 0))
        inputs['od"d\n'] = [*inputs["x"][:900], *[None] * 100]
        requests.append(line(inputs, outputs, number=number, at=1000.0 + number))
    write_log(tmp_path, [*requests, b"{}\n"])
    found = project(tmp_path)
    store = MonitorStore(found.state)
    Monitor(found, store, clock=lambda: 5000.0).step()
    return store


def read(page):
    return dict(each.rsplit(" ", 1) for each in page.splitlines() if not each.startswith("#"))


def test_figures_of_the_newest_window(store):
    found = read(write_figures("m", store))
    of = 'model="m",version="1"'
    assert found['hilir_monitor_step_seconds{model="m"}'] == "5000"
    assert found['hilir_monitor_rows{model="m"}'] == "3000"
    assert found['hilir_monitor_unreadable{model="m"}'] == "1"
    assert found[f"hilir_window_end_seconds{{{of}}}"] == "1002"
    assert found[f"hilir_drift_level{{{of}}}"] == "3"
    assert float(found[f'hilir_drift_js{{{of},kind="feature",feature="x"}}']) > 0.1
    assert found[f'hilir_drift_windows{{{of},kind="feature",feature="x",level="alarm"}}'] == "2"
    assert found[f'hilir_missing_share{{{of},kind="feature",feature="od\\"d\\n"}}'] == "0.1"
    assert found[f'hilir_new_category_share{{{of},kind="feature",feature="place"}}'] == "0"


def test_prometheus_reads_what_is_served(store):
    server = serve_metrics("127.0.0.1:0", "m", store)
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as answer:
            page = answer.read().decode()
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    finally:
        server.shutdown()
        server.server_close()
    tool = shutil.which("promtool")
    if tool is not None:
        done = subprocess.run([tool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
        # It dislikes counters without _total, which our server has none of either.
        assert "error while linting" not in done.stderr, done.stderr
    assert read(page)


def test_an_address_that_is_taken(store):
    server = serve_metrics("127.0.0.1:0", "m", store)
    try:
        with pytest.raises(ServingConfigError, match=r"cannot be listened to .* give another host or port"):
            serve_metrics(f"127.0.0.1:{server.server_port}", "m", store)
    finally:
        server.shutdown()
        server.server_close()


def test_rules_and_panels_name_figures_that_there_are(store):
    store.add_labels([], 4000.0, 0.0)
    known = set(re.findall(r"^# TYPE (\S+)", write_figures("m", store), re.M))
    rules = yaml.safe_load((DEPLOY / "prometheus/monitor_rules.yml").read_text())["groups"]
    panels = json.loads((DEPLOY / "grafana/dashboards/monitor.json").read_text())["panels"]
    written = [rule["expr"] for group in rules for rule in group["rules"]]
    written += [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for text in written for name in re.findall(r"hilir_\w+", text)}
    assert len(named) > 8
    assert named <= known
