"""kill -9 at any moment neither loses nor doubles a run: real daemons, real launchers, real programs."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

import pytest

from tests.integration.triggers.daemon import PROGRAM, TOKEN, Daemon

SETTINGS = (
    "watch.queue=each",
    "watch.debounce_seconds=0",
    "watch.runs_a_day=1000",
    "watch.backoff={seconds: 0, factor: 1, max_seconds: 0, attempts: 1000}",
    "watch.http={port: 0}",
)
KILLS = 6
SEED = random.randrange(1 << 30)


def make_daemon(root, seconds):
    program = json.dumps([sys.executable, "-c", PROGRAM, str(root), str(seconds)])
    return Daemon(root, *SETTINGS, f"watch.program={program}")


def ask(daemon: Daemon, key: str) -> None:
    """Calls as a careful client does: until it is answered, with one key."""
    while True:
        with contextlib.suppress(OSError, urllib.error.URLError, IndexError):
            address = daemon.rows("SELECT address FROM watcher")[0]["address"]
            request = urllib.request.Request(
                f"{address}/runs",
                data=json.dumps({"why": key}).encode(),
                headers={"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": key},
            )
            with urllib.request.urlopen(request, timeout=5) as answer:
                assert answer.status == 202
                return
        time.sleep(0.02)


@pytest.fixture
def asking():
    """Starts threads that ask, and waits for them."""
    threads: list[threading.Thread] = []

    def start(daemon, keys):
        threads.append(threading.Thread(target=lambda: [ask(daemon, key) for key in keys]))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()


def settle(daemon: Daemon, keys: list[str]) -> None:
    """Lets a last daemon finish everything, and stops it politely."""
    daemon.start()
    daemon.wait_watching()
    daemon.wait(lambda: len(daemon.rows("SELECT 1 FROM run WHERE state = 'succeeded'")) == len(keys), 120)
    daemon.wait(lambda: not daemon.rows("SELECT 1 FROM run WHERE state NOT IN ('succeeded', 'failed')"), 120)
    assert daemon.stop(signal.SIGTERM) == 0


def outcomes(daemon: Daemon) -> dict[str, list[str]]:
    """Returns the states of each reason's attempts."""
    rows = daemon.rows(
        "SELECT f.payload, a.state FROM firing f JOIN attempt a ON a.run = f.run ORDER BY a.run, a.number"
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(json.loads(row["payload"])["why"], []).append(row["state"])
    return found


def test_a_daemon_that_is_killed_again_and_again_runs_each_reason_once(tmp_path, asking):
    keys = [f"k{number}" for number in range(8)]
    daemon, chance = make_daemon(tmp_path, 0.3), random.Random(SEED)
    daemon.start()
    asking(daemon, keys)
    for _ in range(KILLS):
        daemon.wait_watching()
        time.sleep(chance.random())
        daemon.stop()
        daemon.start()
    daemon.stop()
    settle(daemon, keys)
    began = Counter((tmp_path / "began").read_text().split())
    assert began == Counter(keys), SEED
    assert outcomes(daemon) == {key: ["succeeded"] for key in keys}, SEED
    assert not (tmp_path / "overlap").exists()


def test_a_machine_that_goes_down_again_and_again_completes_each_run_once(tmp_path, asking):
    keys = [f"k{number}" for number in range(5)]
    daemon, chance = make_daemon(tmp_path, 0.6), random.Random(SEED)
    daemon.start()
    asking(daemon, keys)
    for _ in range(KILLS):
        daemon.wait_watching()
        time.sleep(chance.random())
        daemon.stop()
        for row in daemon.rows("SELECT pid FROM attempt WHERE state = 'running' AND pid IS NOT NULL"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(row["pid"], signal.SIGKILL)
        daemon.start()
    daemon.stop()
    settle(daemon, keys)
    found = outcomes(daemon)
    assert {key: states[-1] for key, states in found.items()} == dict.fromkeys(keys, "succeeded"), SEED
    assert all(set(states[:-1]) <= {"lost"} for states in found.values()), (SEED, found)
    assert not (tmp_path / "overlap").exists()


def test_status_tells_what_was_decided_and_why(tmp_path):
    daemon = make_daemon(tmp_path, 0)
    assert daemon.status()["watching"] is False
    daemon.start()
    ask(daemon, "labels were mended")
    daemon.wait(lambda: daemon.rows("SELECT 1 FROM run WHERE state = 'succeeded'"))
    status = daemon.status()
    assert status["watching"] is True
    (run,) = status["runs"]
    assert (run["firings"][0]["what"], run["firings"][0]["why"]) == ("call", "labels were mended")
    assert run["attempts"][0]["result"] == {"status": "succeeded"}
    assert [decision["text"] for decision in reversed(status["decisions"])] == [
        "call: labels were mended: run 1 is made",
        "run 1 starts",
        "run 1 succeeded",
    ]
    # A second daemon for the same model goes away and says who is there.
    second = Daemon(tmp_path, *SETTINGS)
    first_log = daemon.log()
    second.start()
    assert second.process.wait(timeout=60) == 3
    assert f"another watcher (process {daemon.process.pid})" in daemon.log().removeprefix(first_log)
    assert daemon.stop(signal.SIGINT) == 0
