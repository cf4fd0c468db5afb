"""A process that has TensorFlow and TFX loaded and forks for each module to run; the other end is `fork_server.py`.

It reads one JSON object per line, {"id", "module", "arguments", "environment", "log"}, and writes {"id", "pid"} when
the module has begun and {"id", "code"} when it has ended. It imports, and creates neither threads nor a TensorFlow
context, so that forking is safe. It ends, with all that it runs, when what it reads ends.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import time
import traceback
from typing import IO, Any, NoReturn

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.02


def main(modules: list[str]) -> None:
    """Imports the modules and serves until standard input ends."""
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001 - the module that needs it will say so in its own log
            traceback.print_exc()
    _serve_pipes(requests, answers)


class ForkedPreloaded:
    """A preloaded process that is a fork of this one, with the interface of `subprocess.Popen`."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self._code: int | None = None

    def poll(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, 0
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Waits until it has ended and returns its exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended after so many seconds.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if limit is not None and time.monotonic() > limit:
                raise subprocess.TimeoutExpired("preloaded", timeout or 0)
            time.sleep(_POLL_SECONDS)
        return code

    def kill(self) -> None:
        """Kills it."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def fork_preloaded() -> ForkedPreloaded:
    """Forks this process into one that serves; what this one has imported, it has."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    request_reader, request_writer = os.pipe()
    answer_reader, answer_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(request_writer)
        os.close(answer_reader)
        _become_preloaded(parent, request_reader, answer_writer)
    os.close(request_reader)
    os.close(answer_writer)
    return ForkedPreloaded(pid, os.fdopen(request_writer, "wb"), os.fdopen(answer_reader, "rb"))


def _become_preloaded(parent: int, requests: int, answers: int) -> NoReturn:
    try:
        # Ctrl-C is for the parent, which ends this process by closing the pipe.
        os.setsid()
        die_with_parent()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        if os.getppid() == parent:
            _serve_pipes(requests, answers)
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run on in this process
        traceback.print_exc()
    finally:
        os._exit(0)


def die_with_parent() -> None:
    """Makes the kernel kill this process when the one that forked it dies, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _serve_pipes(requests: int, answers: int) -> None:
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    _send(answers, {"ready": True})
    _serve(requests, answers, wake_reader)


def _serve(requests: int, answers: int, wake: int) -> None:
    running: dict[int, Any] = {}
    buffer = b""
    while True:
        readable, _, _ = select.select([requests, wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
            _reap(running, answers)
        if requests in readable:
            chunk = os.read(requests, 1 << 20)
            if not chunk:
                _kill(running)
                return
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                request = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _become_child(request, [requests, answers, wake])
                running[pid] = request["id"]
                _send(answers, {"id": request["id"], "pid": pid})


def _reap(running: dict[int, Any], answers: int) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _send(answers, {"id": running.pop(pid), "code": os.waitstatus_to_exitcode(status)})


def _kill(running: dict[int, Any]) -> None:
    for pid in running:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _send(answers: int, message: dict[str, Any]) -> None:
    os.write(answers, json.dumps(message).encode() + b"\n")


def _become_child(request: dict[str, Any], inherited: list[int]) -> None:
    """Runs the module as `python -m` does and leaves the process."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        die_with_parent()
        for descriptor in inherited:
            os.close(descriptor)
        if request["log"] is not None:
            log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = [request["module"], *request["arguments"]]
        # Else runpy warns that the module is there already.
        sys.modules.pop(request["module"], None)
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else (0 if ended.code is None else 1)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as the interpreter does at the end of a program
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
