"""The daemon: looks at the triggers, and keeps one run going as the state says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.run.process_lock import ProcessLock
from hilir.pipeline.triggers.daemon import ledger
from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.daemon.firing_policy import Limits
from hilir.pipeline.triggers.daemon.follow_up import FollowUp
from hilir.pipeline.triggers.daemon.launcher import (
    NOT_MINE,
    code_of,
    is_alive,
    launch,
    read_reason,
    read_result,
    runs_folder,
)
from hilir.pipeline.triggers.sources.payload import Trigger

_TICK_SECONDS = 1.0
# So often is written that all is as before: each write waits for the disk.
_BEAT_SECONDS = 10.0
_LAUNCHES = 5
_KEPT_RUNS = 200
_LOCK = "watcher"
# `is_watched` holds the lock for a moment.
_LOCK_SECONDS = 0.5


class Watcher:
    """Follows the triggers of one model. All it knows is in the state; this object only holds what is running."""

    def __init__(
        self,
        state: State,
        triggers: Sequence[Trigger],
        limits: Limits,
        program: Sequence[str],
        log: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        release: Sequence[str] = (),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Makes a daemon that has not started.

        Args:
            state: its memory.
            triggers: where reasons come from.
            limits: the rules of the queue.
            program: what a run is.
            log: gets a line for each thing that happens.
            clock: seconds since 1970.
            release: the command that releases a version that a run pushed, `{version}` in it; empty for none.
            environment: of the runs and of that command.
        """
        self._follow_up = FollowUp(state, release, log, environment) if release else None
        self._environment = environment
        self._state, self._triggers, self._limits = state, triggers, limits
        self._program, self._log, self._clock = list(program), log, clock
        self._launcher: subprocess.Popen[bytes] | None = None
        self._launched, self._launches = "", 0
        self._beaten = 0.0
        # Set by a signal handler, which must not take a lock.
        self._stopped = False
        self.address: str | None = None
        self.began = clock()
        # By a clock that nobody sets.
        self.ticked = time.monotonic()

    def follow(self) -> None:
        """Looks and runs until SIGTERM or Ctrl-C; a run that is underway then continues by itself.

        Raises:
            Exception: what went wrong inside, if something did; the state is as after a kill.
        """
        # At once, for what happened while nobody watched; by a clock that nobody sets.
        due = {trigger.name: time.monotonic() for trigger in self._triggers}
        with self._stopped_by_signals():
            prune(self._state)
            while not self._stopped:
                for trigger in self._triggers:
                    if time.monotonic() >= due[trigger.name]:
                        self.look(trigger)
                        due[trigger.name] = time.monotonic() + trigger.pause(datetime.fromtimestamp(self._clock(), UTC))
                self.tick()
                pause = min([_TICK_SECONDS, *(moment - time.monotonic() for moment in due.values())])
                time.sleep(max(0.0, pause))

    def look(self, trigger: Trigger) -> None:
        """Lets a trigger look and writes down what it found."""
        before = self._state.read_memory(trigger.name)
        now = self._clock()
        try:
            look = trigger.look(before.values if before else {}, datetime.fromtimestamp(now, UTC))
        except (OSError, ValueError) as error:
            ledger.record_failed_look(self._state, trigger.name, str(error), now)
            if before is None or before.note != f"cannot look: {error}":
                self._log(f"{trigger.name}: cannot look: {error}")
            return
        if before is not None and not look.firings and abs(now - before.looked) < _BEAT_SECONDS:
            # As it comes back from the state: without tuples.
            memory = json.loads(json.dumps(dict(look.memory)))
            if (memory, look.note, look.hold) == (before.values, before.note, before.hold):
                return
        for firing in ledger.record_look(self._state, trigger.name, look, self._limits, now):
            self._log(f"{trigger.name}: {firing.payload.why}")

    def tick(self) -> None:
        """Records runs that ended unseen, decides about ended ones, starts the next."""
        now = self._clock()
        if abs(now - self._beaten) >= _BEAT_SECONDS:
            self._state.beat(os.getpid(), self.began, now, self.address)
            self._beaten = now
        attempt = ledger.find_open(self._state)
        if attempt is not None:
            self._attend(attempt, now)
        for ended in ledger.settle(self._state, self._limits, now, released=self._follow_up is not None):
            reason = "" if ended.code == 0 else read_reason(self._state, ended.run, ended.number)
            self._log(f"run {ended.run} {ended.outcome}{f': {reason}' if reason else ''}")
        if self._follow_up is not None:
            self._follow_up.tick(now)
        if ledger.find_ready(self._state, self._limits, self._clock):
            self._begin()
        self.ticked = time.monotonic()

    def _begin(self) -> None:
        # Since the last look data may have begun to arrive, which the run would take as it is.
        for trigger in self._triggers:
            self.look(trigger)
        started = ledger.start_next(self._state, self._limits, self._clock)
        if started is not None:
            self._log(f"run {started.run} starts")
            self._attend(started, self._clock())

    def _attend(self, attempt: ledger.Attempt, now: float) -> None:
        """Starts the launcher of an attempt that has none, or notices that the attempt is over."""
        if attempt.state == "running":
            if not is_alive(self._state, attempt.run, attempt.number):
                result = read_result(self._state, attempt.run, attempt.number)
                ledger.end_attempt(self._state, attempt.run, attempt.number, code_of(result), result, now)
            return
        launcher = self._launcher if self._launched == attempt.label else None
        if launcher is not None and launcher.poll() is None:
            return
        # A launcher that found the attempt taken is not a failed start.
        taken = launcher is not None and launcher.returncode == NOT_MINE
        self._launches = (0 if launcher is None else self._launches) + (0 if taken else 1)
        if self._launches > _LAUNCHES:
            text = f'{{"status": "failed", "reasons": ["its launcher ended {_LAUNCHES} times"]}}'
            ledger.end_attempt(self._state, attempt.run, attempt.number, 4, text, now)
            return
        self._launcher = launch(self._state, attempt.run, attempt.number, self._program, self._environment)
        self._launched = attempt.label

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        def stop(signum: int, frame: FrameType | None) -> None:
            del signum, frame
            self._stopped = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Makes sure that one daemon at a time uses the state in the folder.

    Raises:
        ConfigError: there is another one.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = ProcessLock(folder, _LOCK)
    if not lock.acquire(_LOCK_SECONDS):
        raise ConfigError(
            f"{folder}: another watcher (process {lock.holder}) follows this model; stop it first (kill {lock.holder})"
        )
    try:
        yield
    finally:
        lock.release()


def is_watched(folder: Path) -> bool:
    """Returns whether a daemon follows the model of that state."""
    return ProcessLock(folder, _LOCK).is_held()


def prune(state: State) -> None:
    """Removes the output of all but the latest runs."""
    files = [(int(file.name.partition("-")[0]), file) for file in runs_folder(state).glob("*-*.*")]
    latest = max((run for run, _ in files), default=0)
    for run, file in files:
        if run <= latest - _KEPT_RUNS:
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
