"""One worker process: `python -m hilir.components.trainer.worker PIPE SUPERVISOR`, its work as JSON on standard input.

PIPE is the descriptor to report on, SUPERVISOR the process that started it, without which it ends.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from typing import Any

from hilir.components.cause import find_cause, find_user_folders

_BEAT_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1


class _Reporter(logging.Handler):
    """Writes events to the supervisor, and ends the process when nobody reads them any more."""

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self._pipe = pipe
        self._guard = threading.Lock()
        self._steps = 0

    def send(self, event: str, **content: Any) -> None:
        line = json.dumps({"event": event, **content}, default=str).encode() + b"\n"
        try:
            with self._guard:
                os.write(self._pipe, line)
        except BrokenPipeError:
            os._exit(1)

    def emit(self, record: logging.LogRecord) -> None:
        figures = getattr(record, "progress", None)
        if figures is not None:
            self.send("progress", progress=figures)

    def count(self) -> None:
        self._steps += 1

    def beat(self) -> None:
        while True:
            self.send("beat", steps=self._steps)
            time.sleep(_BEAT_SECONDS)


def main() -> None:
    """Does the work and reports how it goes."""
    reporter = _Reporter(int(sys.argv[1]))
    _die_with(int(sys.argv[2]))
    threading.Thread(target=reporter.beat, name="heartbeat", daemon=True).start()
    work = json.load(sys.stdin)
    try:
        _train(work, reporter)
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor has to hear of it
        traceback.print_exc()
        cause = find_cause(error, find_user_folders(json.loads(work["job"])["package"]))
        kind = cause.kind if cause.planned else type(error).__name__
        reporter.send("error", kind=kind, message=str(cause), planned=cause.planned, retry=_may_pass(error))
        _end(1)
    except SystemExit as error:
        _end(error.code if isinstance(error.code, int) else 1)
    _end(0)


def _train(work: dict[str, Any], reporter: _Reporter) -> None:
    # Here, so that the heartbeat does not wait for the seconds that TensorFlow's import takes.
    from hilir.components.trainer.callbacks import CountSteps
    from hilir.components.trainer.distribution.cluster import make_local_role
    from hilir.components.trainer.train import train
    from hilir.components.trainer.training_job import TrainingJob

    logger = logging.getLogger("hilir.progress")
    logger.setLevel(logging.INFO)
    logger.addHandler(reporter)
    role = make_local_role(work["index"], work["ports"]) if work["kind"] == "multi_worker" else None
    counter = CountSteps(reporter.count)
    train(TrainingJob.from_json(work["job"]), work["kind"], role, lambda: reporter.send("ready"), [counter])


def _end(code: int) -> None:
    """Ends at once: TensorFlow's orderly end waits for the other workers, for minutes if a collective has failed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _may_pass(error: Exception) -> bool:
    """Whether another attempt may end otherwise: failures of machines and connections, not of programs."""
    from tensorflow.errors import InvalidArgumentError, OpError, OutOfRangeError, UnimplementedError

    if isinstance(error, InvalidArgumentError | OutOfRangeError | UnimplementedError):
        return False
    return isinstance(error, OpError | OSError | MemoryError | RuntimeError)


def _die_with(supervisor: int) -> None:
    """Has the kernel end this process, even a stopped one, when the supervisor ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        sys.exit(1)


if __name__ == "__main__":
    main()
