"""Windows of a log by version: what is counted, what is found, and what survives a crash."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from hilir.analysis.quality import fit_quality
from hilir.serving.errors import ServingConfigError
from hilir.serving.monitor.monitor import Monitor
from hilir.serving.monitor.window_store import MonitorStore
from tests.unit.serving.monitor.traffic import draw, line, make_reference, project, write_log, write_version


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def served(tmp_path, rng):
    write_version(tmp_path / "models", 1, make_reference(rng))
    return tmp_path


def lines(rng, requests, rows=10, shift=0.0, start=0, began=1000.0, **more):
    return [
        line(*draw(rng, rows, shift), number=number, at=began + number, **more)
        for number in range(start, start + requests)
    ]


def watch(folder, **settings):
    found = project(folder, **settings)
    return Monitor(found, MonitorStore(found.state), clock=lambda: 2000.0)


def by_name(window):
    return {each.name: each for each in window.result.features}


def test_a_shift_is_found_in_the_window_in_which_it_is(served, rng):
    write_log(served, lines(rng, 100) + lines(rng, 100, shift=1.0, start=100))
    clean, shifted = watch(served).step()
    assert (clean.result.rows, clean.result.level) == (1000, "none")
    assert (clean.result.first, clean.result.last) == (1000.0, 1099.0)
    assert shifted.result.level == "alarm"
    found = by_name(shifted)
    assert (found["x"].level, found["x"].what) == ("alarm", "distribution")
    assert (found["place"].level, found["p"].kind) == ("none", "prediction")
    assert found["x"].tfdv == pytest.approx(0.16, abs=0.05)
    assert shifted.result.absent == ["label"]


@pytest.mark.parametrize("missing", [float("nan"), "", -(2**63), None])
def test_missing_values_of_the_wire_are_missing(served, rng, missing):
    requests = []
    for number in range(30):
        inputs, outputs = draw(rng, 10)
        inputs["x"][0] = missing
        requests.append(line(inputs, outputs, number=number))
    write_log(served, requests)
    (closed,) = watch(served, window_rows=300).step()
    found = by_name(closed)["x"]
    assert (found.rows, found.missing, found.what) == (300, 30, "missing")
    assert found.detail == "10.0%, was 0.0%"
    assert found.tfdv < 0.1


def test_text_where_a_number_belongs_is_counted_and_missing(served, rng):
    inputs, outputs = draw(rng, 300)
    inputs["x"] = ["12 km"] * 300
    write_log(served, [line(inputs, outputs)])
    (closed,) = watch(served, window_rows=300).step()
    assert (by_name(closed)["x"].faults, by_name(closed)["x"].missing) == (300, 300)


def test_new_and_lost_categories(served, rng):
    inputs, outputs = draw(rng, 1000)
    inputs["place"] = ["west" if each == "east" else each for each in inputs["place"]]
    write_log(served, [line(inputs, outputs)])
    (closed,) = watch(served).step()
    found = by_name(closed)["place"]
    assert found.level == "warn"
    assert found.new_values == ["west"]
    assert found.new == pytest.approx(0.05, abs=0.02)
    assert found.tfdv == pytest.approx(0.05, abs=0.02)


def test_each_version_is_compared_with_its_own_reference(served, rng):
    moved = make_reference(rng, x=make_reference(rng).features["x"])
    write_version(served / "models", 2, moved)
    mixed = [each for pair in zip(lines(rng, 100), lines(rng, 100, version=2), strict=True) for each in pair]
    write_log(served, mixed + lines(rng, 100, version=7))
    closed = {each.version: each for each in watch(served).step()}
    assert {version: each.result.rows for version, each in closed.items()} == {1: 1000, 2: 1000, 7: 1000}
    assert [closed[version].has_reference for version in (1, 2, 7)] == [True, True, False]
    assert closed[7].result.features == []


def test_other_models_and_damaged_lines_are_counted(served, rng):
    write_log(served, [*lines(rng, 1), *lines(rng, 2, model="other"), b"{not json\n", b'{"model": "m"}\n'])
    found = project(served)
    store = MonitorStore(found.state)
    Monitor(found, store).step()
    assert {name: value for name, value in store.totals().items() if name != "at"} == {
        "rows": 10,
        "other_models": 2,
        "unreadable": 2,
    }


def test_redacted_features_are_not_missing(served, rng):
    inputs, outputs = draw(rng, 1000)
    write_log(served, [line(inputs | {"x": "REDACTED"}, outputs)])
    (closed,) = watch(served).step()
    assert closed.result.absent == ["label", "x"]
    assert closed.result.level == "none"


def test_a_feature_that_some_examples_lack_is_missing_there(served, rng):
    requests = []
    for number in range(300):
        inputs, outputs = draw(rng, 1)
        example = {"x": inputs["x"], "place": inputs["place"]} if number % 3 else {"place": inputs["place"]}
        requests.append(line([example], outputs, number=number, method="regress"))
    write_log(served, requests)
    (closed,) = watch(served, window_rows=300).step()
    assert (by_name(closed)["x"].rows, by_name(closed)["x"].missing) == (300, 100)
    assert closed.result.absent == ["label"]


def test_a_window_waits_for_its_time_and_ends_after_the_longest(served, rng):
    write_log(served, lines(rng, 200))
    assert watch(served, window_seconds=3600.0).step() == []
    (closed,) = watch(served, window_seconds=3600.0, longest_seconds=900.0).step()
    assert closed.result.rows == 2000


def test_nothing_is_lost_or_counted_twice_however_often_it_stops(served, rng, tmp_path):
    """Each step is a new process with nothing but the state; a torn record is read when it is whole."""
    content = b"".join(lines(rng, 230))
    path = write_log(served, [])
    closed = []
    for start in range(0, len(content), 7_919):
        with path.open("ab") as file:
            file.write(content[start : start + 7_919])
        closed += watch(served).step()
    assert [each.result.rows for each in closed] == [1000, 1000]
    whole = write_log(tmp_path / "again", [content]) if (tmp_path / "again").mkdir() is None else None
    assert whole is not None
    again = project(tmp_path / "again").model_copy(update={"root": served / "models"})
    at_once = Monitor(again, MonitorStore(again.state), clock=lambda: 2000.0).step()
    assert [each.result for each in closed] == [each.result for each in at_once]


def test_killed_at_any_moment_it_continues(served, rng):
    """Real processes, killed with SIGKILL while the log grows."""
    (served / "m.yaml").write_text(
        f"model: {{name: m}}\nserving: {{root: {served / 'models'}}}\n"
        f"monitor: {{log: {served / 'log' / 'requests'}, state: {served / 'state'}, window_seconds: 0}}\n"
    )
    content = b"".join(lines(rng, 450, rows=5, began=time.time()))
    path = write_log(served, [content[:1000]])
    run = [sys.executable, "-m", "hilir.pipeline.cli", "monitor", "run", "m.yaml"]
    for number, delay in enumerate((0.3, 0.6, 0.9, 1.2)):
        with subprocess.Popen(run, cwd=served, stdout=subprocess.DEVNULL) as process:
            with path.open("ab") as file:
                file.write(content[1000 + number * 70_000 : 1000 + (number + 1) * 70_000])
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(delay)
            process.kill()
    with path.open("ab") as file:
        file.write(content[1000 + 4 * 70_000 :])
    printed = subprocess.run([*run, "--once"], cwd=served, capture_output=True, text=True, check=True)
    store = MonitorStore(served / "state" / "m")
    assert [each.result.rows for each in store.windows()] == [1000, 1000]
    assert store.totals()["rows"] == 2250, printed


def test_one_monitor_at_a_time(served):
    store = MonitorStore(project(served).state)
    with (
        store.alone(),
        pytest.raises(ServingConfigError, match="another 'hilir monitor run' reads this model's log; stop it first"),
        MonitorStore(project(served).state).alone(),
    ):
        pass


def test_what_people_asked_is_for_the_owner_only(served):
    assert MonitorStore(project(served).state).folder.stat().st_mode & 0o777 == 0o700


def test_without_a_log(served):
    with pytest.raises(ServingConfigError, match=r"monitor\.log is not set"):
        watch(served, log=None)


def test_only_the_newest_windows_are_kept(served, rng):
    write_log(served, lines(rng, 100))
    found = project(served, window_rows=200, keep_windows=2)
    store = MonitorStore(found.state)
    assert len(Monitor(found, store).step()) == 5
    assert [each.id for each in store.windows()] == [4, 5]


def test_a_line_of_json_is_what_the_server_writes(served, rng):
    """Values that are not UTF-8 are {"b64": …} in the log; an array that is too large is only described."""
    inputs, outputs = draw(rng, 300)
    inputs["place"] = [{"b64": "bm9ydGg="}] * 300
    write_log(served, [line(inputs | {"x": {"shape": [300], "dtype": "float32"}}, outputs)])
    (closed,) = watch(served, window_rows=300).step()
    assert by_name(closed)["place"].new == 0
    assert "x" in closed.result.absent
    assert json.loads(line(inputs, outputs))["inputs"]["place"][0] == {"b64": "bm9ydGg="}


def test_quality_is_estimated_from_the_scores(served, rng):
    def scored(rows, shift):
        logits = rng.normal(shift, 2, rows)
        return 1 / (1 + np.exp(-logits)), logits

    scores, logits = scored(5000, 0.0)
    labels = rng.random(5000) < 1 / (1 + np.exp(-logits))
    reference = make_reference(rng)
    write_version(served / "models", 2, replace(reference, quality=fit_quality("p", "y", scores, labels)))
    requests = []
    for number in range(20):
        spread = scored(100, 0.0)[0] if number < 10 else 0.5 + (scored(100, 0.0)[0] - 0.5) / 4
        requests.append(line(draw(rng, 100)[0], {"p": [[each] for each in spread]}, number=number, version=2))
    write_log(served, requests)
    sure, unsure = watch(served).step()
    found = {each.metric: each for each in sure.result.quality}
    assert found["accuracy"].value == pytest.approx(found["accuracy"].reference, abs=0.03)
    assert (found["accuracy"].kind, found["accuracy"].rows, found["auc"].is_worse) == ("estimated", 1000, False)
    assert found["positive_share"].bound is None
    found = {each.metric: each for each in unsure.result.quality}
    assert found["accuracy"].value < 0.65
    assert found["accuracy"].is_worse
    store = MonitorStore(project(served).state)
    assert [each.result.quality for each in store.windows()] == [sure.result.quality, unsure.result.quality]


def test_a_log_that_is_away_for_a_while_is_not_read_anew(served, rng):
    path = write_log(served, lines(rng, 100))
    assert len(watch(served).step()) == 1
    path.rename(served / "away.jsonl")
    assert watch(served).step() == []
    (served / "away.jsonl").rename(path)
    assert watch(served).step() == []
    write_log(served, lines(rng, 100, start=100))
    assert len(watch(served).step()) == 1
