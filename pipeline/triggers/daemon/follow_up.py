"""What follows a run that pushed a version: it is staged, or its rollout starts (`watch.after`).

The version is written down in the transaction that settles the run, and crossed out when the verb has ended. A verb of
`hilir release` may be repeated, so that one whose end nobody has seen is called again when it is over.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hilir.pipeline.triggers.daemon import ledger
from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.daemon.launcher import take_lock

_REFUSED = 5
"""Exit code of a release that was refused: calling it again would be no use."""
_ATTEMPTS = 5
_BACKOFF_SECONDS, _FACTOR = 30.0, 4.0


class FollowUp:
    """Calls the verb for one version at a time; the daemon never waits for it."""

    def __init__(
        self, state: State, program: Sequence[str], log: Callable[[str], None], environment: Mapping[str, str]
    ) -> None:
        """Makes one that calls nothing yet.

        Args:
            state: where versions wait.
            program: the command; `{version}` in it is the version.
            log: gets a line for each end.
            environment: of the command.
        """
        self._state, self._program, self._log = state, list(program), log
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._version = ledger.PushedVersion(0, 0, 0)

    def tick(self, now: float) -> None:
        """Records a verb that has ended, or calls the next one."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._end(self._process.returncode, now)
            self._process = None
        waiting = ledger.find_pushed(self._state, now)
        if waiting is not None:
            self._begin(waiting)

    def _begin(self, pushed: ledger.PushedVersion) -> None:
        program = [part.replace("{version}", str(pushed.version)) for part in self._program]
        self._version = pushed
        errors = self._errors(pushed)
        errors.parent.mkdir(exist_ok=True)
        lock = take_lock(errors.with_suffix(".lock"))
        if lock is None:
            return  # a daemon before this one has called it, and it is underway, as a rollout may be for hours
        with lock, errors.open("wb") as file:
            self._process = subprocess.Popen(
                program,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                env=self._environment,
                pass_fds=(lock.fileno(),),
            )

    def _end(self, code: int, now: float) -> None:
        pushed = self._version
        tries = pushed.tries + 1
        what = f"version {pushed.version} of run {pushed.run}: {self._program[self._program.index('release') + 1]}"
        if code == 0:
            ledger.end_follow_up(self._state, pushed.run, None, f"{what} is done", now)
            self._log(f"{what} is done")
            return
        final = code == _REFUSED or tries >= _ATTEMPTS
        again = None if final else now + _BACKOFF_SECONDS * _FACTOR ** (tries - 1)
        text = f"{what} failed (exit code {code}): {self._reason(pushed)}" + ("; given up" if final else "")
        ledger.end_follow_up(self._state, pushed.run, again, text, now)
        self._log(text)

    def _errors(self, pushed: ledger.PushedVersion) -> Path:
        return self._state.folder / "runs" / f"{pushed.run}-release.err"

    def _reason(self, pushed: ledger.PushedVersion) -> str:
        lines = self._errors(pushed).read_text("utf-8", "replace").splitlines()
        printed = [line.removeprefix("hilir: ") for line in lines if line.startswith("hilir: ")]
        return (printed or [line for line in lines if line.strip()] or ["it printed nothing"])[-1]
