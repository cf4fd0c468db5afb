"""Waits for a job: the states of its steps as they change, a deadline, and the question what Ctrl-C means."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hilir.components.vertex.connection import Connection
from hilir.components.vertex.errors import Unreachable
from hilir.pipeline.errors import Interrupted, StepFailed
from hilir.pipeline.report.views import view
from hilir.pipeline.spec.specification import Specification
from hilir.pipeline.vertex.client.job_board import describe_failure, make_board, update_board
from hilir.pipeline.vertex.client.jobs import cancel_job, console_url, is_final, read_job, state_of

_FIRST_SECONDS, _LONGEST_SECONDS = 0.5, 15.0


@dataclass(frozen=True)
class Patience:
    """How to wait: hours until it is given up, and the question whether to cancel (None: nobody can be asked)."""

    hours: float = 24.0
    ask: Callable[[str], bool] | None = None


def wait_for_job(connection: Connection, name: str, parsed: Specification, patience: Patience) -> Any:
    """Shows the job until it has succeeded and returns it.

    Raises:
        StepFailed: it failed or was canceled.
        Unreachable: the deadline has passed, or Vertex AI does not answer; the job continues.
        Interrupted: the user pressed Ctrl-C; the message says what became of the job.
    """
    try:
        job = _follow(connection, name, parsed, patience)
    except KeyboardInterrupt:
        raise _interrupt(connection, name, patience) from None
    require_success(job)
    return job


def require_success(job: Any) -> None:
    """Raises StepFailed, with each failed step and its error, if the job has failed or was canceled."""
    short, state = job.name.rpartition("/")[2], state_of(job)
    if state == "canceled":
        raise StepFailed("", f"the job {short} was canceled; see {console_url(job.name)}")
    if state == "failed":
        step, reasons = describe_failure(job)
        raise StepFailed(step, f"the job {short} failed:\n{reasons}\nsee {console_url(job.name)}")


def _follow(connection: Connection, name: str, parsed: Specification, patience: Patience) -> Any:
    short = name.rpartition("/")[2]
    board = make_board(short, parsed)
    limit = time.monotonic() + patience.hours * 3600
    delay = _FIRST_SECONDS

    def note(line: str) -> None:
        # The live table has put itself in the place of standard output, and so stays whole.
        print(line, flush=True)

    with view(board, sys.stdout):
        while True:
            job = read_job(connection, name, note)
            delay = _FIRST_SECONDS if update_board(board, job) else min(delay * 1.3, _LONGEST_SECONDS)
            if is_final(job):
                return job
            if time.monotonic() + delay > limit:
                raise Unreachable(
                    f"the job {short} is still running after {patience.hours:g} h and continues; "
                    f"'hilir jobs show {short}' shows its state, 'hilir jobs cancel {short}' stops it"
                )
            time.sleep(delay)


def _interrupt(connection: Connection, name: str, patience: Patience) -> Interrupted:
    short = name.rpartition("/")[2]
    continues = f"interrupted; the job {short} continues, 'hilir jobs cancel {short}' stops it"
    if patience.ask is None:
        return Interrupted(continues)
    try:
        wanted = patience.ask(f"cancel the job {short}?")
    except (KeyboardInterrupt, EOFError):
        wanted = False
    if not wanted:
        return Interrupted(continues)
    cancel_job(connection, name)
    return Interrupted(f"interrupted; the job {short} is being canceled, 'hilir jobs show {short}' shows its state")
