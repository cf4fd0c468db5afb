"""What an attack does to a server: its resident memory above idle, and the worst answer of `/healthz`."""

import contextlib
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from tests.attack.observer import resident
from tests.attack.table import note
from tests.conftest import ROOT

MAX_BYTES = 1.5e9
MAX_SECONDS = 1.0


@dataclass
class Seen:
    """The most memory above idle in bytes, and the longest wait for `/healthz` in seconds."""

    idle: int
    above_idle: int = 0
    slowest: float = 0.0
    polls: int = 0

    def check(self, what: str) -> None:
        """Add the row to the table, and fail if a bound was broken."""
        held = self.above_idle <= MAX_BYTES and self.slowest <= MAX_SECONDS
        shown = f"{self.above_idle / 1e6:.0f} MB, {self.slowest * 1e3:.0f} ms ({self.polls} polls)"
        note(what, held, f"{MAX_BYTES / 1e6:.0f} MB above idle, healthz {MAX_SECONDS:g} s", shown)
        line = f"{what}: {shown}"
        assert self.polls > 0, what
        assert self.above_idle <= MAX_BYTES, line
        assert self.slowest <= MAX_SECONDS, line

    def read(self, lines) -> None:
        """Take what the observer prints."""
        for line in lines:
            kind, *values = line.split()
            if kind == "memory":
                self.above_idle = max(self.above_idle, int(values[0]) - self.idle)
            else:
                self.slowest, self.polls = float(values[0]), int(values[1])


@contextlib.contextmanager
def watching(client):
    """Poll a spawned server from a process of its own; yields what was seen so far."""
    pid, port = client.process.pid, client.rest_port
    seen = Seen(resident(pid))
    command = [sys.executable, "-m", "tests.attack.observer", str(pid), str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as observer:
        reader = threading.Thread(target=seen.read, args=(observer.stdout,))
        reader.start()
        try:
            yield seen
            time.sleep(0.1)
        finally:
            observer.stdin.close()
            reader.join()
