"""Runs command lines of `hilir` in forks of a process that has imported what they need, which saves each ten seconds.

A fork is a child of the tests' process, as one of `subprocess` is: it has its own folder, environment, standard
streams and exit code, gets signals, and ends as the interpreter does. Where a test is about a start itself (what is
imported, what is printed first, what the environment sets for Python), it uses `subprocess`.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

# What `hilir run` imports; none of it makes a thread that works or a TensorFlow context, which a fork would lack.
_MODULES = (
    "hilir.pipeline.cli.run.run",
    "hilir.pipeline.run.local_run",
    "hilir.pipeline.run.local_runner",
    "hilir.pipeline.graph",
)
_PR_SET_CHILD_SUBREAPER = 36
_MESSAGE_BYTES = 1 << 17
_lock = Lock()


class Hilir(subprocess.Popen):
    """`hilir WORDS…` in a fork, with the arguments of `subprocess.Popen` that the tests use."""

    def __init__(self, words: list[str], **options: Any) -> None:
        super().__init__(["hilir", *words], **options)

    def _execute_child(
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite,
        restore_signals, gid, gids, uid, umask, start_new_session, process_group,
    ) -> None:  # fmt: skip
        request = {
            "words": args[1:],
            "folder": os.path.abspath(cwd or "."),
            "environment": dict(os.environ if env is None else env),
            "session": start_new_session,
        }
        streams = (p2cread, c2pwrite, errwrite)
        try:
            self.pid = _fork(request, [own if own != -1 else number for number, own in enumerate(streams)])
            self._child_created = True
        finally:
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def run_hilir(words: list[str], *, timeout: float = 600, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs `hilir WORDS…` to its end; returns its exit code and what it printed."""
    process = Hilir(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _fork(request: dict[str, Any], streams: list[int]) -> int:
    """Returns the process id of a new child of this process."""
    with _lock:
        forker = _start_forker()
        # Its parent has ended when the answer comes, and it has become a child of this process, which asks for orphans.
        _set_subreaper(True)
        try:
            socket.send_fds(forker, [json.dumps(request).encode()], streams)
            answer = forker.recv(100)
        finally:
            _set_subreaper(False)
    assert answer, "the process that forks has ended; what it printed is above"
    return int(answer)


def _set_subreaper(wanted: bool) -> None:
    assert ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) == 0


@cache
def _start_forker() -> socket.socket:
    """Starts the process that forks, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    return ours


def _main() -> None:
    """Imports, and forks for each request; a fork leaves the loop and becomes `hilir`."""
    # The folder of this file is not on the path of `hilir`.
    del sys.path[0]
    for module in _MODULES:
        importlib.import_module(module)
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            data, streams, _, _ = socket.recv_fds(requests, _MESSAGE_BYTES, 3)
            if not data:
                return
            pid = _fork_orphan()
            if pid == 0:
                break
            requests.send(str(pid).encode())
            for stream in streams:
                os.close(stream)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    _become_hilir(**json.loads(data))


def _fork_orphan() -> int:
    """Returns 0 in the new process, and its id in this one when its parent has ended."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        os.close(reader)
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            return 0
        os.write(writer, str(pid).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        pid = int(answer.read())
    os.waitpid(between, 0)
    return pid


def _become_hilir(words: list[str], folder: str, environment: dict[str, str], session: bool) -> None:
    """Does what `python -m hilir.pipeline.cli WORDS…` does in that folder."""
    if session:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv = ["hilir", *words]
    # Else all forks would draw the same numbers.
    random.seed()
    sys.modules["numpy"].random.seed()
    runpy.run_module("hilir.pipeline.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
