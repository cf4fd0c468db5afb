"""A process that has TensorFlow and TFX loaded and forks for each step; the other end is `fork_server.py`.

It reads one JSON object per line from standard input, {"id", "module", "arguments", "environment", "log"}, and writes
{"id", "pid"} when the step has begun and {"id", "code"} when it has ended. It imports, and creates neither threads nor
a TensorFlow context, so that forking is safe. It ends with its standard input.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import runpy
import select
import signal
import sys
import traceback
from typing import Any

_PR_SET_PDEATHSIG = 1


def main(modules: list[str]) -> None:
    """Imports the modules and serves until standard input ends."""
    requests, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001 - the step that needs it will say so in its own log
            traceback.print_exc()
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
                    _become_step(request, [requests, answers, wake])
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


def _become_step(request: dict[str, Any], inherited: list[int]) -> None:
    """Runs the module as `python -m` does and leaves the process."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for descriptor in inherited:
            os.close(descriptor)
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
