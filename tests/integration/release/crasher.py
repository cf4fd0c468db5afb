"""Runs release verbs that die by SIGKILL at their n-th effect: a process of its own, which forks for each.

An effect is a rename, which is how everything is written. Jobs come as JSON lines {"arguments": [...], "effect": n}
and each gives one line: "killed", or the exit code.
"""

import json
import os
import signal
import sys

from hilir.pipeline.cli.main import main
from hilir.serving.cli.release import release  # noqa: F401 - imported once, not in every fork
from hilir.serving.release import state_listing, verbs  # noqa: F401


def die_at(effect: int) -> None:
    done, real = 0, os.replace

    def replace(*arguments):
        nonlocal done
        done += 1
        if done == effect:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*arguments)

    os.replace = replace


def run(job: dict) -> str:
    child = os.fork()
    if child == 0:
        os.dup2(sys.stderr.fileno(), 1)
        die_at(job["effect"])
        sys.argv[1:] = job["arguments"]
        try:
            main()
        except SystemExit as error:
            os._exit(error.code or 0)
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) else str(os.waitstatus_to_exitcode(status))


for line in sys.stdin:
    print(run(json.loads(line)), flush=True)
