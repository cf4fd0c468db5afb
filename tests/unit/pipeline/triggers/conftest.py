"""A watcher in this process with a clock that the test sets; its runs are real processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from hilir.pipeline.triggers.daemon import ledger
from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.daemon.firing_policy import Limits
from hilir.pipeline.triggers.daemon.watcher import Watcher
from hilir.pipeline.triggers.sources.payload import Firing, Observation, Payload

LIMITS = Limits("merge", 10, 3, 60, 2, 600, 3)

# Appends a line to a file, waits until it may end, prints what it is told to print and ends with that code.
PROGRAM = """
import os, pathlib, sys, time
here = pathlib.Path(sys.argv[1])
with (here / "began").open("a") as file:
    file.write(os.environ["HILIR_TRIGGERS"] + "\\n")
while not (here / "go").exists():
    time.sleep(0.02)
code, _, line = (here / "go").read_text().partition(" ")
print(line)
if (here / "error").exists():
    sys.stderr.write((here / "error").read_text())
sys.exit(int(code))
"""


class Fixed:
    """A trigger that fires what the test puts into it."""

    name = "data"

    def __init__(self) -> None:
        self.firings: list[Firing] = []
        self.hold = None

    def pause(self, now):
        raise NotImplementedError

    def look(self, memory, now) -> Observation:
        return Observation(tuple(self.firings), {}, "", self.hold)


class Bench:
    """The watcher, its state, its trigger and the clock, which stands still unless the test moves it."""

    def __init__(self, root, limits=LIMITS):
        self.root, self.state, self.trigger = root, State(root / "state"), Fixed()
        self.now = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        self.limits = limits
        self.release: list[str] = []
        self.environment: Mapping[str, str] = os.environ
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        """Makes a new watcher, as after a kill: all that it knows is the state."""
        program = [sys.executable, "-c", PROGRAM, str(self.root)]
        self.watcher = Watcher(
            self.state,
            [self.trigger],
            self.limits,
            program,
            self.said.append,
            clock=lambda: self.now,
            release=self.release,
            environment=self.environment,
        )

    def fire(self, key: str) -> None:
        self.trigger.firings = [Firing(key, Payload("data", f"because of {key}"))]
        self.watcher.look(self.trigger)

    def tick(self, seconds: float = 0) -> None:
        self.now += seconds
        self.watcher.tick()

    def go(self, text: str = '0 {"status": "succeeded"}') -> None:
        (self.root / "go").write_text(text)

    def stop(self) -> None:
        (self.root / "go").unlink()

    def begun(self) -> int:
        path = self.root / "began"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def wait_begun(self, count: int) -> None:
        self.wait(lambda: self.begun() >= count)
        assert self.begun() == count

    def wait_ended(self) -> None:
        """Lets the run end, and the watcher take note of it."""
        self.wait(lambda: ledger.find_open(self.state) is None)
        with self.state.change() as connection:
            # The launcher is a process with a real clock.
            connection.execute("UPDATE attempt SET ended = ? WHERE ended > began + 3600", (self.now,))
        self.tick()

    def wait(self, condition) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, self.decisions()
            time.sleep(0.02)

    def runs(self) -> list[str]:
        with self.state.view() as connection:
            return [row["state"] for row in connection.execute("SELECT state FROM run ORDER BY id")]

    def attempts(self) -> list[tuple[int, int, str]]:
        with self.state.view() as connection:
            rows = connection.execute("SELECT run, number, state FROM attempt ORDER BY run, number")
            return [tuple(row) for row in rows]

    def decisions(self) -> list[str]:
        with self.state.view() as connection:
            return [row["text"] for row in connection.execute("SELECT text FROM decision ORDER BY id")]


@pytest.fixture
def make_bench(tmp_path):
    benches = []

    def make(limits=LIMITS):
        bench = Bench(tmp_path, limits)
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        bench.go()
        bench.wait(lambda bench=bench: ledger.find_open(bench.state) is None)


@pytest.fixture
def bench(make_bench):
    return make_bench()
