"""What a person reads: lines, JSON and the page."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from click.testing import CliRunner

from hilir.serving.cli.monitor import monitor
from hilir.serving.errors import ServingConfigError
from hilir.serving.monitor.window_summary import parse_duration
from tests.unit.serving.monitor.traffic import draw, line, make_reference, write_log, write_version


@pytest.fixture
def watched(tmp_path):
    rng = np.random.default_rng(4)
    write_version(tmp_path / "models", 1, make_reference(rng))
    (tmp_path / "m.yaml").write_text(
        f"model: {{name: m}}\nserving: {{root: {tmp_path / 'models'}}}\n"
        f"monitor: {{log: {tmp_path / 'log/requests'}, state: {tmp_path / 'state'}, window_seconds: 0}}\n"
    )
    clean, (inputs, outputs) = draw(rng, 1000), draw(rng, 1000, shift=1.0)
    inputs["place"][:50] = ["\x1b[31mred"] * 50
    write_log(tmp_path, [line(*clean, at=1e9), line(inputs, outputs, at=1e9 + 60)])
    return tmp_path


def run(*words):
    done = CliRunner().invoke(monitor, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_from_log_to_page(watched):
    config = str(watched / "m.yaml")
    first, second = run("run", config, "--once").splitlines()
    assert first == "2001-09-09 01:46:40Z  version 1  1000 rows  no drift"
    assert second.startswith("2001-09-09 01:47:40Z  version 1  1000 rows  alarm: x alarm (distribution, 0.1")
    assert run("run", config, "--once") == ""
    table = run("drift", config, "--since", "99999d", "--html", str(watched / "drift.html"))
    assert "m: 2 windows with 2,000 rows in the last 99999d, answered by version 1" in table
    rows = {row.split()[0]: row.split() for row in table.splitlines()[3:7] if row}
    assert rows["x"][1:6] == ["alarm", "1", "1", "of", "2"]
    assert rows["place"][1] == "warn"
    assert rows["p"][:3] == ["p", "(prediction)", "-"]
    assert r"new: \x1b[31mred" in table
    assert "not in the log: label" in table
    assert "sees a shift of 0.1" in table
    page = (watched / "drift.html").read_text()
    assert page.count("<svg") == 6
    assert "\x1b" not in table + page
    assert "<h2>x: alarm" in page


def test_json(watched):
    run("run", str(watched / "m.yaml"), "--once")
    found = json.loads(run("drift", str(watched / "m.yaml"), "--since", "99999d", "--json"))
    assert found["level"] == "alarm"
    assert [window["rows"] for window in found["windows"]] == [1000, 1000]
    worst = found["features"][0]
    assert (worst["version"], worst["worst"]["name"], worst["flagged"], worst["windows"]) == (1, "x", 1, 2)
    assert json.loads(run("drift", str(watched / "m.yaml"), "--json"))["features"] == []


def test_closed_windows_as_json_lines(watched):
    lines = run("run", str(watched / "m.yaml"), "--once", "--json").splitlines()
    assert [json.loads(each)["level"] for each in lines] == ["none", "alarm"]


def test_before_any_monitor_has_run(watched):
    with pytest.raises(ServingConfigError, match="no monitor has run yet; start 'hilir monitor run CONFIG'"):
        run("drift", str(watched / "m.yaml"))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("monitor: {windw: 3}", r"monitor\.windw: Extra inputs"),
        ("monitor: {window_rows: 10}", r"monitor\.window_rows: Input should be greater than or equal to 200"),
        ("monitor: {listen: x}", r"monitor\.listen: is 'x'; give HOST:PORT, like 127\.0\.0\.1:8601;"),
        ("monitor: 3", "monitor: must be a mapping"),
    ],
)
def test_a_wrong_section(tmp_path, section, message):
    (tmp_path / "m.yaml").write_text(f"model: {{name: m}}\n{section}\n")
    with pytest.raises(ServingConfigError, match=message):
        run("run", str(tmp_path / "m.yaml"))


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("24h", 86_400), ("1.5d", 129_600)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-3h", "1w"])
def test_what_is_not_a_duration(text):
    with pytest.raises(ServingConfigError, match="is not a duration; write for example 90m, 24h or 7d"):
        parse_duration(text)


def test_a_log_of_other_models_alone(tmp_path):
    (tmp_path / "m.yaml").write_text("model: {name: m}\nserving: {root: r}\nmonitor: {state: " + str(tmp_path) + "}\n")
    rng = np.random.default_rng(4)
    path = write_log((tmp_path), [line(*draw(rng, 10), model="other")])
    printed = run("run", str(tmp_path / "m.yaml"), "--once", "--log", str(path))
    assert printed == f"{path}: no record is of the model m; compare model.name with the log\n"


def test_the_only_configuration_here_is_meant(watched, monkeypatch):
    config = watched / "m.yaml"
    config.write_text(config.read_text().replace("{name: m}", "{name: m, package: m}"))
    monkeypatch.chdir(watched)
    assert len(run("run", "--once").splitlines()) == 2
    assert "x  " in run("drift", "--since", "99999d")
    config.rename(watched / "m.txt")
    done = CliRunner().invoke(monitor, ["drift"])
    assert (done.exit_code, "CONFIG is missing" in done.output) == (2, True)


def test_before_the_first_window_it_says_what_is_missing(tmp_path):
    rng = np.random.default_rng(4)
    write_version(tmp_path / "models", 1, make_reference(rng))
    config = tmp_path / "m.yaml"
    config.write_text(
        f"model: {{name: m}}\nserving: {{root: {tmp_path / 'models'}}}\n"
        f"monitor: {{log: {tmp_path / 'log/requests'}, state: {tmp_path / 'state'}}}\n"
    )
    write_log(tmp_path, [line(*draw(rng, 300), at=time.time())])
    run("run", str(config), "--once")
    text = run("drift", str(config))
    assert text.splitlines() == [
        "m: no window was closed in the last 24h",
        "  version 1: 300 rows are in its open window, which needs 1,000 and 60 minutes",
    ]
