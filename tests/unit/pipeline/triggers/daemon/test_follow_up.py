"""What follows a run that pushed a version: a verb of a real process, called until it has ended."""

from __future__ import annotations

import os
import sqlite3
import sys
import time

import pytest

from hilir.pipeline.config import load
from hilir.pipeline.triggers.daemon.build_daemon import make_release
from hilir.pipeline.triggers.daemon.daemon_state import State

# Appends the version to a file; ends with the code that the test asks for.
VERB = """
import os, pathlib, sys, time
verb, version, here = *sys.argv[2:4], pathlib.Path(sys.argv[4])
with (here / "released").open("a") as file:
    file.write(f"{verb} {version}{os.environ.get('HILIR_WATCH_TOKEN', '')}\\n")
while (here / "hold").exists():
    time.sleep(0.02)
code = (here / "code").read_text() if (here / "code").exists() else "0"
if code != "0":
    sys.stderr.write("hilir: a candidate is on trial\\n")
sys.exit(int(code))
"""


@pytest.fixture
def releasing(bench, monkeypatch):
    bench.environment = dict(os.environ)
    monkeypatch.setenv("HILIR_WATCH_TOKEN", " with a token that is not its own")
    bench.release = [sys.executable, "-c", VERB, "release", "stage", "{version}", str(bench.root)]
    bench.start()
    return bench


def released(bench):
    path = bench.root / "released"
    return path.read_text().splitlines() if path.exists() else []


def push(bench, key, version, status="succeeded"):
    bench.fire(key)
    bench.tick(10)
    bench.go(f'0 {{"status": "{status}", "version": {version}}}')
    bench.wait_ended()


def wait_released(bench, number, seconds=60):
    until = time.monotonic() + seconds
    while len(released(bench)) < number:
        assert time.monotonic() < until, bench.said
        bench.tick()
        time.sleep(0.02)


def wait_said(bench, text, seconds=60):
    until = time.monotonic() + seconds
    while not any(text in line for line in bench.said):
        assert time.monotonic() < until, bench.said
        bench.tick()
        time.sleep(0.02)


def test_a_version_is_released_once(releasing):
    push(releasing, "a", 7)
    wait_said(releasing, "version 7 of run 1: stage is done")
    for _ in range(5):
        releasing.tick(100)
    releasing.start()
    releasing.tick(100)
    assert released(releasing) == ["stage 7"]


def test_a_run_that_pushed_nothing_has_no_release(releasing):
    releasing.fire("a")
    releasing.tick(10)
    releasing.go('0 {"status": "succeeded", "version": null}')
    releasing.wait_ended()
    for _ in range(5):
        releasing.tick(10)
    assert released(releasing) == []


def test_a_daemon_that_was_killed_meanwhile_calls_the_verb_again(releasing):
    push(releasing, "a", 7)
    wait_released(releasing, 1)
    releasing.start()  # as after a kill: the end of the verb was not recorded
    wait_released(releasing, 2)
    wait_said(releasing, "stage is done")
    assert released(releasing) == ["stage 7", "stage 7"]


def test_a_refusal_is_final_and_its_reason_is_recorded(releasing):
    (releasing.root / "code").write_text("5")
    push(releasing, "a", 7)
    wait_said(releasing, "version 7 of run 1: stage failed (exit code 5): a candidate is on trial; given up")
    releasing.tick(100_000)
    assert released(releasing) == ["stage 7"]


def test_other_failures_are_tried_again_after_a_while(releasing):
    (releasing.root / "code").write_text("3")
    push(releasing, "a", 7)
    wait_said(releasing, "stage failed (exit code 3): a candidate is on trial")
    releasing.tick(29)
    assert released(releasing) == ["stage 7"]
    (releasing.root / "code").unlink()
    releasing.tick(2)
    wait_said(releasing, "stage is done")
    assert released(releasing) == ["stage 7", "stage 7"]


def test_without_watch_after_nothing_is_kept_for_later(bench):
    push(bench, "a", 7)
    with bench.state.view() as connection:
        assert connection.execute("SELECT count(*) FROM pushed").fetchone()[0] == 0


def test_a_state_of_before_is_brought_up_to_date(tmp_path):
    State(tmp_path)
    with sqlite3.connect(tmp_path / "state.sqlite") as connection:
        connection.execute("DROP TABLE pushed")
        connection.execute("INSERT INTO run (state, made, due) VALUES ('succeeded', 1, 1)")
        connection.execute("PRAGMA user_version = 1")
    with State(tmp_path).view() as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone()[0] == 1
        assert connection.execute("SELECT count(*) FROM pushed").fetchone()[0] == 0


def test_the_command():
    settings = ["watch.after=stage", "watch.after_options=[--offline]"]
    found = load("configs/digits.yaml", settings=settings).config
    assert make_release(found, "configs/digits.yaml", ["night.yaml"], settings)[2:] == [
        "hilir.pipeline.cli", "release", "stage", "{version}", "--config", "configs/digits.yaml",
        "--overlay", "night.yaml", "--set", settings[0], "--set", settings[1],
        "--root", "out/models", "--model", "digits", "--why", "pushed by hilir watch", "--offline",
    ]  # fmt: skip
    assert make_release(load("configs/digits.yaml").config, "configs/digits.yaml", [], []) == []


def test_a_verb_that_outlives_the_daemon_is_not_called_twice_at_once(releasing):
    (releasing.root / "hold").touch()
    push(releasing, "a", 7)
    wait_released(releasing, 1)
    releasing.start()
    for _ in range(10):
        releasing.tick(1)
    assert released(releasing) == ["stage 7"]
    (releasing.root / "hold").unlink()
    wait_said(releasing, "stage is done")
    assert released(releasing) == ["stage 7", "stage 7"]
