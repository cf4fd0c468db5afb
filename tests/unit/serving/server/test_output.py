"""What TensorFlow writes while it starts is kept back, unless something is wrong."""

import os
import subprocess
import sys

PROGRAM = """
import os
from hilir.serving.server.output import quiet_tensorflow
with quiet_tensorflow():
    os.write(2, b"written by a library\\n")
    {then}
print("started")
"""


def run(then):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_CPP")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(then=then)], env=environment, capture_output=True, text=True, check=False
    )


def test_a_good_start_writes_nothing():
    done = run("import tensorflow")
    # On a machine with a driver and no GPU that TensorFlow can use, the reason is to be seen.
    if not any(os.path.exists(path) for path in ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")):
        assert done.stderr == ""
    assert (done.returncode, done.stdout) == (0, "started\n")


def test_a_failure_is_shown_whole():
    done = run("import no_such_library")
    assert done.returncode == 1
    assert done.stderr.startswith("written by a library\n")
    assert "No module named 'no_such_library'" in done.stderr
