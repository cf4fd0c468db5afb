"""One process at a time, which can be named."""

import os
import signal
import subprocess
import sys

from hilir.pipeline.run.process_lock import ProcessLock

HOLDER = """
import sys, time
from pathlib import Path
from hilir.pipeline.run.process_lock import ProcessLock
lock = ProcessLock(Path(sys.argv[1]), "x")
assert lock.acquire(0)
print("held", flush=True)
time.sleep(600)
"""


def test_a_lock_is_free_again_when_its_holder_is_killed(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        lock = ProcessLock(tmp_path, "x")
        assert lock.is_held()
        assert not lock.acquire(0)
        assert lock.holder == str(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not lock.is_held()
        assert lock.acquire(0)
        assert lock.holder == str(os.getpid())
        assert ProcessLock(tmp_path, "x").is_held()
        assert not ProcessLock(tmp_path, "x").acquire(0)
        lock.release()
        assert not ProcessLock(tmp_path, "x").is_held()
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
