"""Carries rollouts out that die by SIGKILL in a phase: a process of its own, which forks for each.

Jobs come as JSON lines {"arguments": [...], "phase": "hold", "gate", "apply", "rollback" or null, "after": n}: it
dies when it comes to the phase for the n-th time. Each gives one line: "killed", or the exit code.
"""

import contextlib
import json
import os
import signal
import sys
import time

from hilir.pipeline.cli.main import main
from hilir.serving.cli.release import release  # noqa: F401 - imported once, not in every fork
from hilir.serving.release import state_listing, verbs  # noqa: F401
from hilir.serving.rollout import engine, rollout_factory  # noqa: F401


def die_at(phase: str | None, after: int) -> None:
    left = after

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(place, name, what=count):
        real = getattr(place, name)

        def called(*arguments, **more):
            what()
            return real(*arguments, **more)

        setattr(place, name, called)

    if phase == "hold":
        before(time, "sleep")
    if phase == "gate":
        before(engine, "decide")
    if phase == "apply":
        # An effect is a rename, which is how everything is written.
        before(os, "replace")
    if phase == "rollback":
        before(engine.Runner, "_roll_back", lambda: before(os, "replace"))


def run(job: dict) -> str:
    child = os.fork()
    if child == 0:
        os.dup2(sys.stderr.fileno(), 1)
        os.environ["HILIR_ACTOR"] = "crasher"
        die_at(job["phase"], job["after"])
        sys.argv[1:] = job["arguments"]
        try:
            main()
        except SystemExit as error:
            os._exit(error.code or 0)
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) else str(os.waitstatus_to_exitcode(status))


with contextlib.suppress(KeyboardInterrupt):
    for line in sys.stdin:
        print(run(json.loads(line)), flush=True)
