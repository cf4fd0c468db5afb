"""The process between the daemon and a run: it outlives the daemon, and writes down how the run ended.

`python -m hilir.pipeline.triggers.daemon.launcher FOLDER RUN ATTEMPT PROGRAM…`. Three things make a run happen
exactly once:

- the attempt is claimed in the state by one transaction, so that of two launchers one goes away;
- a lock file is held by the launcher and, inherited, by the program: as long as one of the two lives, the run does;
- what the program prints goes to a file, so that its last line is there even if the launcher is killed before it
  could write the end down.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import IO

from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.daemon.firing_policy import NOT_BLESSED
from hilir.pipeline.triggers.daemon.ledger import claim, end_attempt, read_payloads

NOT_MINE = 75
"""Exit code of a launcher that found the attempt taken."""

_ENVIRONMENT = "HILIR_TRIGGERS"


def launch(
    state: State, run: int, number: int, program: list[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Starts a launcher in a session of its own; returns at once. `environment` is also that of the run."""
    folder = runs_folder(state)
    folder.mkdir(exist_ok=True)
    with (folder / f"{run}-{number}.launch.err").open("ab") as errors:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "hilir.pipeline.triggers.daemon.launcher",
                str(state.folder),
                str(run),
                str(number),
                *program,
            ],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
            env=dict(environment),
        )


def runs_folder(state: State) -> Path:
    """Returns where the output of the runs is: `RUN-ATTEMPT.out` and `.err`."""
    return state.folder / "runs"


def is_alive(state: State, run: int, number: int) -> bool:
    """Returns whether the launcher or the program of a claimed attempt lives."""
    lock = take_lock(runs_folder(state) / f"{run}-{number}.lock")
    if lock is None:
        return True
    lock.close()
    return False


def read_result(state: State, run: int, number: int) -> str | None:
    """Returns the JSON object that the program printed as its last line, None if there is none."""
    try:
        with (runs_folder(state) / f"{run}-{number}.out").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - (1 << 20)))
            lines = file.read().splitlines()
        last = lines[-1].decode() if lines else ""
        return last if isinstance(json.loads(last), dict) else None
    except (FileNotFoundError, ValueError):
        return None


def read_reason(state: State, run: int, number: int) -> str:
    """Returns why an attempt failed, in one line: from its result, else the last line that it wrote to stderr."""
    result = json.loads(read_result(state, run, number) or "{}")
    reasons = [str(reason) for reason in result.get("reasons") or [] if str(reason).strip()]
    if not reasons:
        try:
            with (runs_folder(state) / f"{run}-{number}.err").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - (1 << 16)))
                written = file.read().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            written = []
        printed = [line for line in written if line.startswith("hilir: ")]
        reasons = [line.removeprefix("hilir: ") for line in printed[-1:] or written[-1:] if line.strip()]
    return "; ".join(reason.strip().splitlines()[0] for reason in reasons)


def code_of(result: str | None) -> int | None:
    """Returns the exit code that the result of an unseen end stands for, None if it does not say how it ended."""
    status = json.loads(result).get("status") if result else None
    if status is None:
        return None
    return {"succeeded": 0, "not_blessed": NOT_BLESSED}.get(status, 4)


def main(arguments: list[str]) -> int:
    """Claims the attempt, runs the program, writes down how it ended."""
    folder, run, number, program = Path(arguments[0]), int(arguments[1]), int(arguments[2]), arguments[3:]
    state = State(folder)
    lock = take_lock(runs_folder(state) / f"{run}-{number}.lock")
    if lock is None or not claim(state, run, number, os.getpid()):
        return NOT_MINE
    # The lock is the program's as well, by inheritance.
    os.set_inheritable(lock.fileno(), True)
    code = _run(state, run, number, program, lock.fileno())
    end_attempt(state, run, number, code, read_result(state, run, number), time.time())
    return 0


def _run(state: State, run: int, number: int, program: list[str], lock: int) -> int:
    payloads = [payload.as_dict() for payload in read_payloads(state, run)]
    name = runs_folder(state) / f"{run}-{number}"
    with open(f"{name}.out", "wb") as out, open(f"{name}.err", "wb") as errors:
        try:
            process = subprocess.Popen(
                program,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                pass_fds=(lock,),
                env=os.environ | {_ENVIRONMENT: json.dumps(payloads)},
            )
        except OSError as error:
            errors.write(f"{program[0]}: cannot be started ({error.strerror}); fix watch.program\n".encode())
            return 3

        def stop(signum: int, frame: FrameType | None) -> None:
            del frame
            process.send_signal(signum)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        return process.wait()


def take_lock(path: Path) -> IO[bytes] | None:
    """Returns the open, locked file, None where another process has the lock; whoever inherits it has it, too."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
