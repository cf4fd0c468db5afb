"""What TensorFlow writes while it starts is kept back, unless something is wrong."""

import logging
import os
import subprocess
import sys

from hilir.serving.server.output import LineFormatter

PROGRAM = """
import logging
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


def test_a_log_message_is_one_line(capsys):
    logger = logging.Logger("test")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LineFormatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.warning("model %s", "a\nERROR forged\x1b[2J\u202e é 日本 \udc80")
    assert capsys.readouterr().out == "WARNING model a\\nERROR forged\\x1b[2J\\u202e é 日本 \\udc80\n"


def test_open_files_are_raised_or_the_shortage_is_reported():
    program = (
        "import resource, sys\n"
        "from hilir.serving.server.ports import raise_open_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, int(sys.argv[1])))\n"
        "raise_open_files(1000, print)\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program, hard], capture_output=True, text=True, check=True).stdout
        for hard in ("4096", "1024")
    ]
    assert runs[0] == "1512\n"
    assert runs[1].startswith("This process may open 1,024 files, and 1,000 connections may need 1,512: lower")
    assert runs[1].endswith("\n1024\n")
