"""Watches over the worker processes of one attempt; the supervising process itself never joins a collective.

A worker reports through a pipe, one JSON object per line: `ready`, `beat` (with the steps done so far), `progress`,
`error`. The end of the pipe is the end of the worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from hilir.components.trainer.settings import Timeouts

_TICK = 0.2
_GRACE = 30.0
_SUSPICIOUS = 3.0
_SLOW_START = 2.0
"""How much more silence a worker may keep until it is ready: an import holds Python's lock while a library of
TensorFlow's is loaded and linked (1.2 s with twice as many workers as cores; more from a disk that is read first)."""
_STOPPED = (143, 42, -signal.SIGTERM)
"""A worker that stopped as asked: 143 on cloud machines, 42 by TensorFlow's own handler elsewhere."""
_LOST_ANOTHER = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError", "InternalError")
"""What TensorFlow raises in a worker whose peer is gone."""


@dataclass(frozen=True)
class Spec:
    """How to start one worker, where its output goes, and the work it is given on its standard input."""

    command: Sequence[str]
    environment: dict[str, str]
    log: Path
    work: dict[str, object]


@dataclass(frozen=True)
class Failure:
    """Why an attempt ended: which worker failed first, and how.

    Attributes:
        summary: the worker and what happened.
        log: what the worker printed.
        kind: class of its error; empty where it ended without one.
        message: what its error says.
        planned: the error is one of hilir's own.
        retry: another attempt may end otherwise.
        asked_to_stop: it is no failure.
    """

    summary: str
    log: Path
    kind: str = ""
    message: str = ""
    planned: bool = False
    retry: bool = True
    asked_to_stop: bool = False

    def last_lines(self, count: int) -> str:
        """Returns the end of the worker's log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join(lines[-count:]) or "(it wrote nothing)"


@dataclass
class _Worker:
    index: int
    process: subprocess.Popen[bytes]
    pipe: int
    log: Path
    ready: bool = False
    closed: bool = False
    steps: int = 0
    heard: float = field(default_factory=time.monotonic)
    error: dict[str, Any] | None = None
    buffer: bytes = b""


def _is_at_work(pid: int) -> bool:
    """Whether a thread of the process runs, or waits for a processor or a disk: it is slow and does not hang.

    A worker that is silent on a machine with more to do than it has processors may not have had one for as long. The
    states are those of proc_pid_stat(5); where there is no such folder, nothing is known.
    """
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[0] in ("R", "D"):
                return True
    return False


class Cluster:
    """The workers of one attempt; on leaving the context none of them is left."""

    def __init__(self, specs: Sequence[Spec], timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        self._began = time.monotonic()
        self._moved = self._began
        self._stopping_since: float | None = None
        self._asked = False
        self._previous: Any = None
        try:
            for index, spec in enumerate(specs):
                self._workers.append(self._start(index, spec))
        except BaseException:
            self._kill()
            raise

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers, the chief first."""
        return [worker.process.pid for worker in self._workers]

    def __enter__(self) -> Cluster:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGTERM, self._pass_on)
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
        self._kill()

    def watch(self, report: Callable[[dict[str, Any]], None]) -> Failure | None:
        """Returns None once all workers have ended well, or the first failure as soon as it is seen."""
        while any(not worker.closed for worker in self._workers):
            for key, _ in self._selector.select(_TICK):
                worker: _Worker = key.data
                self._read(worker, report)
            failure = self._find_dead() or self._find_hung()
            if failure is not None:
                return failure
        return None

    def _start(self, index: int, spec: Spec) -> _Worker:
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        try:
            with spec.log.open("wb") as log:
                # A session of its own: the terminal's Ctrl-C reaches only the supervisor, which ends its workers.
                process = subprocess.Popen(
                    [*spec.command, str(writing), str(os.getpid())],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=spec.environment,
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        finally:
            os.close(writing)
        worker = _Worker(index, process, reading, spec.log)
        os.set_blocking(reading, False)
        self._selector.register(reading, selectors.EVENT_READ, worker)
        assert process.stdin is not None
        # If it is dead already, `watch` will see it.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(spec.work).encode())
            process.stdin.close()
        return worker

    def _read(self, worker: _Worker, report: Callable[[dict[str, Any]], None]) -> None:
        try:
            content = os.read(worker.pipe, 65536)
        except BlockingIOError:
            return
        worker.heard = time.monotonic()
        if not content:
            self._selector.unregister(worker.pipe)
            os.close(worker.pipe)
            worker.closed = True
            return
        *lines, worker.buffer = (worker.buffer + content).split(b"\n")
        for line in lines:
            self._take(worker, json.loads(line), report)

    def _take(self, worker: _Worker, event: dict[str, Any], report: Callable[[dict[str, Any]], None]) -> None:
        match event["event"]:
            case "ready":
                worker.ready = True
                self._moved = time.monotonic()
                if all(other.ready for other in self._workers):
                    report({"workers": len(self._workers)})
            case "beat":
                if event["steps"] and not any(other.steps for other in self._workers):
                    report({"first step": f"{time.monotonic() - self._began:.1f} s after the start"})
                if event["steps"] > worker.steps:
                    worker.steps = event["steps"]
                    self._moved = time.monotonic()
            case "progress":
                self._moved = time.monotonic()
                report(event["progress"])
            case "error":
                worker.error = event

    def _find_dead(self) -> Failure | None:
        dead = [(worker, code) for worker in self._workers if worker.closed and (code := self._code(worker)) != 0]
        if not dead:
            return None
        running = [worker for worker in self._workers if not worker.closed]
        if running and all(code in _STOPPED and worker.error is None for worker, code in dead):
            # The others are saving the same checkpoint; they end by themselves.
            self._stopping_since = self._stopping_since or time.monotonic()
            return None
        causes = [found for found in dead if not self._lost_another(found[0])]
        if not causes:
            quietest = min(running, key=lambda worker: worker.heard, default=None)
            if quietest is not None and time.monotonic() - quietest.heard > _SUSPICIOUS:
                return self._failure(quietest, "hung: it has shown no sign of life, and the others lost it")
        return self._describe_exit(*(causes or dead)[0])

    def _code(self, worker: _Worker) -> int:
        try:
            return worker.process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            return 1

    def _lost_another(self, worker: _Worker) -> bool:
        """Whether the worker failed because it lost another one."""
        return worker.error is not None and worker.error["kind"] in _LOST_ANOTHER

    def _describe_exit(self, worker: _Worker, code: int) -> Failure:
        if worker.error is not None:
            error = worker.error
            return Failure(
                f"{self._name(worker)} failed with {error['message']}",
                worker.log,
                error["kind"],
                error["message"],
                error.get("planned", False),
                error["retry"],
            )
        if code in _STOPPED:
            return self._failure(worker, "was asked to stop", asked_to_stop=self._asked)
        if code < 0:
            return self._failure(worker, f"was killed by {signal.Signals(-code).name}")
        return self._failure(worker, f"ended with exit code {code}")

    def _find_hung(self) -> Failure | None:
        now, limits = time.monotonic(), self._timeouts
        running = [worker for worker in self._workers if not worker.closed]
        # The one that has been quiet the longest comes first: the others may only be waiting for it.
        for worker in sorted(running, key=lambda worker: worker.heard):
            allowed = limits.silent if worker.ready else limits.silent * _SLOW_START
            if now - worker.heard > allowed:
                # In this order: a worker that ends closes its pipe before it is a zombie.
                if _is_at_work(worker.process.pid) or self._has_unread(worker):
                    worker.heard = now
                    continue
                before = "" if worker.ready else ", before it was ready"
                return self._failure(worker, f"has shown no sign of life for {allowed:.0f} s{before}")
            if not worker.ready and now - self._began > limits.start:
                return self._failure(worker, f"was not ready {limits.start:.0f} s after its start")
        if running and all(worker.ready for worker in self._workers) and now - self._moved > limits.stalled:
            slowest = min(running, key=lambda worker: worker.steps)
            return self._failure(slowest, f"has finished no step for {limits.stalled:.0f} s")
        if running and self._stopping_since is not None and now - self._stopping_since > _GRACE:
            return self._failure(running[0], "did not stop when asked to", asked_to_stop=self._asked)
        return None

    def _has_unread(self, worker: _Worker) -> bool:
        """Whether something came, or the worker ended, since the last look."""
        return any(key.data is worker for key, _ in self._selector.select(0))

    def _failure(self, worker: _Worker, what: str, *, asked_to_stop: bool = False) -> Failure:
        return Failure(f"{self._name(worker)} {what}", worker.log, asked_to_stop=asked_to_stop)

    def _name(self, worker: _Worker) -> str:
        chief = " (the chief)" if worker.index == 0 and len(self._workers) > 1 else ""
        return f"worker {worker.index}{chief} of {len(self._workers)}"

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        """Asks the workers to save and stop."""
        self._asked = True
        self._stopping_since = self._stopping_since or time.monotonic()
        for worker in self._workers:
            if worker.process.poll() is None:
                os.kill(worker.process.pid, number)

    def _kill(self) -> None:
        for worker in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
            if not worker.closed:
                self._selector.unregister(worker.pipe)
                os.close(worker.pipe)
                worker.closed = True
        self._selector.close()
