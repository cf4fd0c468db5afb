"""Starts processes by forking a preloaded one, which saves each of them ten seconds of imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Any

from hilir.components.processes.errors import ProcessError
from hilir.components.processes.preloaded import ForkedPreloaded, fork_preloaded
from hilir.components.processes.process import Child, FreshProcesses

_PYTHON = ("python", "python3")
_END_SECONDS = 10
_OF_PRELOADED = {"PYTHONUNBUFFERED": "1", "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "1"}

Preloaded = subprocess.Popen[bytes] | ForkedPreloaded


class ForkedChild:
    """A module that the preloaded process runs."""

    def __init__(self) -> None:
        self.pid = 0
        self.code: int | None = None
        self.begun = Event()
        self.ended = Event()

    def poll(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        return self.code

    def end(self, code: int) -> None:
        """Takes down how it ended."""
        self.code = code
        self.ended.set()


class ForkServer:
    """Starts `python -m MODULE` by forking, all else as new processes."""

    def __init__(self, start: Callable[[], Preloaded], where: str) -> None:
        """`start` makes the preloaded process when it is first needed; `where` is what to look at if it ends."""
        self._start = start
        self._where = where
        self._fresh = FreshProcesses()
        self._lock = Lock()
        self._numbers = count()
        self._children: dict[int, ForkedChild] = {}
        self._process: Preloaded | None = None

    def start(self, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
        """Starts a command; see `process.Starter`.

        Raises:
            ProcessError: the preloaded process has ended.
        """
        module = _module_of(argv)
        if module is None:
            return self._fresh.start(argv, environment, log)
        return self.fork(*module, environment, log)

    def fork(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path | None = None
    ) -> ForkedChild:
        """Runs a module in a fork of the preloaded process; without a log it prints where that one does.

        Raises:
            ProcessError: the preloaded process has ended.
        """
        child = ForkedChild()
        with self._lock:
            process = self._process
            if process is None:
                process = self._process = self._start()
                Thread(target=self._listen, args=(process,), daemon=True, name="fork server").start()
            number = next(self._numbers)
            self._children[number] = child
            request = {
                "id": number, "module": module, "arguments": list(arguments), "environment": dict(environment),
                "log": str(log) if log else None,
            }  # fmt: skip
            try:
                _write(process.stdin, json.dumps(request).encode() + b"\n")
            except OSError:
                child.end(-signal.SIGKILL)
        while not child.begun.wait(1):
            if process.poll() is not None:
                raise ProcessError(f"the process that is kept ready for forking has ended; {self._where}")
        return child

    def close(self) -> None:
        """Ends the preloaded process and what it runs."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _listen(self, process: Preloaded) -> None:
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
                del self._children[message["id"]]
                child.end(message["code"])
        process.wait()
        for child in list(self._children.values()):
            child.end(-signal.SIGKILL)


def serve_modules(modules: Sequence[str], environment: Mapping[str, str], log: Path | None, where: str) -> ForkServer:
    """Returns a server whose preloaded process is a new one, started when it is first needed.

    Args:
        modules: imported before the first fork.
        environment: of the preloaded process.
        log: where the preloaded process prints; None: where this process does.
        where: what to look at if it ends.
    """

    def spawn() -> Preloaded:
        output = log.open("ab") if log else None
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "hilir.components.processes.preloaded", *modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env={**environment, **_OF_PRELOADED},
                start_new_session=True,
            )
        finally:
            if output:
                output.close()

    return ForkServer(spawn, where)


def serve_this_process(where: str) -> ForkServer:
    """Returns a server whose preloaded process is a fork of this one, made now.

    It has all that was imported so far, for nothing. There must be no thread that works, no gRPC channel and no
    TensorFlow context yet.
    """
    forked = fork_preloaded()
    return ForkServer(lambda: forked, where)


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
