"""Ctrl-C while a job is waited for, in a process and a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


class Terminal:
    """`hilir` in a terminal."""

    def __init__(self, *arguments: str) -> None:
        self.master, other = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hilir.pipeline.cli", *arguments],
            cwd=ROOT, stdin=other, stdout=other, stderr=other, start_new_session=True,
            env=os.environ | {"COLUMNS": "300"},
        )  # fmt: skip
        os.close(other)
        self.text = ""

    def read_until(self, wanted: str, seconds: float = 90) -> None:
        limit = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < limit, self.text
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.master, 4096).decode("utf-8", "replace")
                except OSError:
                    break
        assert wanted in self.text, self.text

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.mark.parametrize(
    ("answer", "state", "told"), [("y", "canceled", "is being canceled"), ("n", "running", "continues")]
)
def test_ctrl_c_asks_whether_to_cancel(vertex, settings, spec, hilir, answer, state, told) -> None:
    path = spec(lambda builder: builder.step("Sleep", "time.sleep(120)"), name="slow")
    terminal = Terminal("submit", path, "--wait", *settings)
    try:
        terminal.read_until("running")
        terminal.process.send_signal(signal.SIGINT)
        terminal.read_until("cancel the job slow-")
        os.write(terminal.master, answer.encode() + b"\n")
        terminal.read_until(told)
        assert terminal.process.wait(20) == 130
    finally:
        terminal.close()
    (running,) = vertex.pipelines.running.values()
    if state == "canceled":
        running.thread.join(20)
    assert state in hilir("jobs", "list").out
