"""Starts steps by forking a preloaded process, which saves each of them ten seconds of imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Any

from hilir.pipeline.emulator.errors import StepError
from hilir.pipeline.emulator.processes.process import Child, FreshProcesses, make_environment

_PYTHON = ("python", "python3")


class ForkedChild:
    """A step that the preloaded process runs."""

    def __init__(self) -> None:
        self.pid = 0
        self.code: int | None = None
        self.begun = Event()

    def poll(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        return self.code


class ForkServer:
    """Starts `python -m MODULE` by forking, all else as new processes; the server starts when it is first needed."""

    def __init__(self, modules: Sequence[str], log: Path) -> None:
        """`modules` are imported before the first fork; what that prints goes to `log`."""
        self._modules = list(modules)
        self._log = log
        self._fresh = FreshProcesses()
        self._lock = Lock()
        self._numbers = count()
        self._children: dict[int, ForkedChild] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
        """Starts a command; see `process.Starter`.

        Raises:
            StepError: the preloaded process has ended.
        """
        module = _module_of(argv)
        if module is None:
            return self._fresh.start(argv, environment, log)
        name, arguments = module
        child = ForkedChild()
        with self._lock:
            if self._process is None:
                self._process = self._spawn()
            number = next(self._numbers)
            self._children[number] = child
            request = {
                "id": number, "module": name, "arguments": arguments, "environment": dict(environment), "log": str(log),
            }  # fmt: skip
            try:
                _write(self._process.stdin, json.dumps(request).encode() + b"\n")
            except OSError:
                child.code = -signal.SIGKILL
        while not child.begun.wait(1):
            if self._process.poll() is not None:
                raise StepError(f"the process that --fast keeps ready has ended; see {self._log}, or leave out --fast")
        return child

    def close(self) -> None:
        """Ends the preloaded process and what it runs."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = make_environment({"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "1"})
        with self._log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "hilir.pipeline.emulator.processes.preloaded", *self._modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
        Thread(target=self._listen, args=(process,), daemon=True, name="fork server").start()
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            message: dict[str, Any] = json.loads(line)
            if "id" not in message:
                continue
            child = self._children[message["id"]]
            if "pid" in message:
                child.pid = message["pid"]
                child.begun.set()
            else:
                child.code = message["code"]
        process.wait()
        for child in self._children.values():
            if child.code is None:
                child.code = -signal.SIGKILL


def _write(stream: IO[bytes] | None, data: bytes) -> None:
    assert stream is not None
    stream.write(data)
    stream.flush()


def _module_of(argv: Sequence[str]) -> tuple[str, list[str]] | None:
    """Returns module and arguments of `python [-u] -m MODULE …`, None for other commands."""
    words = [word for number, word in enumerate(argv) if not (number == 1 and word == "-u")]
    if len(words) >= 3 and os.path.basename(words[0]) in _PYTHON and words[1] == "-m":
        return words[2], words[3:]
    return None
