"""Forked workers of Beam's local runner: real pipelines in programs of their own, and real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, time
import apache_beam as beam
from hilir.components.processes import beam_workers
from tests.unit.components.processes.sockets import list_tcp_listeners, list_unix_folders

MAIN, MODE, STARTED = os.getpid(), *sys.argv[1:3]

class Work(beam.DoFn):
    def process(self, number):
        if number == 7 and MODE == "raise":
            raise ValueError("on purpose")
        if number == 7 and MODE == "kill":
            os.kill(os.getpid(), 9)
        if MODE == "sleep":
            open(STARTED, "w").close()
            time.sleep(600)
        if MODE == "sockets":
            time.sleep(0.02)
            processes = [MAIN, os.getppid(), os.getpid()]
            yield os.getpid(), tuple(list_tcp_listeners(processes)), tuple(list_unix_folders(MAIN))

def show(found):
    print(sorted(found), flush=True)

with beam_workers.forked_from_here():
    with beam.Pipeline(argv=beam_workers.list_options(2)) as pipeline:
        (
            pipeline
            | beam.Create(range(20))
            | beam.Reshuffle()
            | beam.ParDo(Work())
            | beam.combiners.Count.PerElement()
            | beam.combiners.ToList()
            | beam.Map(show)
        )
"""


class Program:
    """A program of the test with all processes that come from it, which share its mark in the environment."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.mark = uuid.uuid4().hex
        self.started = folder / "started"
        file = folder / "program.py"
        file.write_text(PROGRAM)
        self.process = subprocess.Popen(
            [sys.executable, str(file), mode, str(self.started)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.getcwd(), "HILIR_TEST_MARK": self.mark},
            start_new_session=True,
        )

    def wait_until_started(self) -> None:
        limit = time.monotonic() + 60
        while not self.started.exists():
            assert time.monotonic() < limit
            assert self.process.poll() is None
            time.sleep(0.05)

    def end(self) -> tuple[str, str]:
        """Waits for the end and returns what it printed."""
        return self.process.communicate(timeout=90)

    def survivors(self) -> list[int]:
        """Returns the processes that are still there, ten seconds after the end at most."""
        limit = time.monotonic() + 60
        while (found := list(self._alive())) and time.monotonic() < limit:
            time.sleep(0.05)
        return found

    def _alive(self) -> Iterator[int]:
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.mark.encode() in (entry / "environ").read_bytes():
                    yield int(entry.name)
            except OSError:
                continue


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_workers_share_the_work_and_no_server_listens_beyond_this_user(folder: Path) -> None:
    program = Program(folder, "sockets")
    printed, errors = program.end()
    assert program.process.returncode == 0, errors
    found = eval(printed)
    assert len({pid for (pid, *_), _ in found}) == 2
    assert {(listeners, folders) for (_, listeners, folders), _ in found} == {((), (0o700,))}
    assert sum(count for _, count in found) == 20
    assert program.survivors() == []


def test_an_exception_in_a_worker_is_the_error_of_the_pipeline(folder: Path) -> None:
    program = Program(folder, "raise")
    _, errors = program.end()
    assert program.process.returncode == 1
    assert "ValueError: on purpose" in errors
    assert program.survivors() == []


def test_a_killed_worker_ends_the_pipeline_with_the_reason(folder: Path) -> None:
    program = Program(folder, "kill")
    _, errors = program.end()
    assert program.process.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert last.startswith("hilir.components.processes.errors.WorkerDied: a worker process of Beam (process ")
    assert last.endswith(
        "was killed by SIGKILL (by the kernel, if memory ran out); run again, with fewer beam.workers if memory ran out"
    )
    assert program.survivors() == []


def test_ctrl_c_leaves_no_process(folder: Path) -> None:
    program = Program(folder, "sleep")
    program.wait_until_started()
    os.killpg(program.process.pid, signal.SIGINT)
    _, errors = program.end()
    assert errors.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert program.survivors() == []


def test_a_killed_parent_leaves_no_process(folder: Path) -> None:
    program = Program(folder, "sleep")
    program.wait_until_started()
    program.process.kill()
    program.end()
    assert program.survivors() == []
