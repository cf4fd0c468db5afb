"""The process that takes outcomes."""

import contextlib
import subprocess
import sys

from tests.integration.serving.server_process import free_port


@contextlib.contextmanager
def collecting(place):
    """`hilir monitor serve` as a process; yields its address."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-c", "from hilir.pipeline.cli.start import start; start()", "monitor", "serve"]
    process = subprocess.Popen(
        [*command, "--listen", address, "--outcomes", place],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"Outcomes on http://{address}/v1/outcomes into {place}")
        yield address
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
