"""From an empty folder with only a CSV to a served, looked-at model: the commands of the first hour, each as typed.

`make test-new ARGS="-k first_hour"` prints the seconds of each command; the aim is three minutes on two cores.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.serving.server_process import free_port
from tests.new.tables import PACKAGES, write_table

pytestmark = pytest.mark.slow
TABLES = ("iris", "penguins", "diamonds")
HILIR = [sys.executable, "-m", "hilir.pipeline.cli"]


class Hour:
    """A folder in which commands are typed, and how long each took."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seconds = folder, {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began

    def type(self, *arguments: str) -> str:
        """Returns what the command printed."""
        with self.timed(arguments[0]):
            done = subprocess.run(
                [*HILIR, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=900, check=False
            )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def typed(self, *arguments: str, until: str) -> Iterator[re.Match]:
        """Yields what a command that goes on printed, as soon as it matches; ends the command afterwards."""
        began = time.monotonic()
        with subprocess.Popen(
            [*HILIR, *arguments], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                lines = []
                for line in process.stdout:
                    lines.append(line)
                    if found := re.search(until, line):
                        break
                else:
                    pytest.fail("".join(lines))
                self.seconds[arguments[0]] = time.monotonic() - began
                yield found
            finally:
                process.terminate()
                process.communicate(timeout=60)


@pytest.mark.parametrize("name", TABLES)
def test_first_hour(name, tmp_path, request):
    packages = request.getfixturevalue("packages") if name in PACKAGES else tmp_path
    path, case = write_table(name, tmp_path, packages)
    hour = Hour(tmp_path)
    printed = hour.type("new", f"my-{name}", "--data", path.name, "--label", case.label)
    assert printed.splitlines()[-1] == "next: hilir run"
    printed = hour.type("run")
    assert "blessed; version 1 is in" in printed
    with hour.typed("serve", "--port", "0", "--rest_api_port", str(free_port()), until=r"curl -d .*:predict") as found:
        with hour.timed("curl"):
            done = subprocess.run(found[0], shell=True, capture_output=True, text=True, timeout=60, check=True)
        assert '"predictions"' in done.stdout, done.stdout
    page = Path(hour.type("report").strip().splitlines()[-1])
    assert "<html" in (tmp_path / page).read_text(encoding="utf-8")[:500]
    with hour.typed("dashboard", "--port", "0", until=r"open (http://\S+)") as found:
        answer = httpx.get(found[1], timeout=60)
        assert (answer.status_code, f"my-{name}" in answer.text) == (200, True)
    shown = ", ".join(f"{command} {seconds:.1f}" for command, seconds in hour.seconds.items())
    print(f"{name}: {sum(hour.seconds.values()):.1f} s ({shown})")
