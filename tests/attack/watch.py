"""What an attack does to a server: its resident memory above idle, and the worst answer of `/healthz`."""

import contextlib
import re
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.attack.table import note

MAX_BYTES = 1.5e9
MAX_SECONDS = 1.0
_HEALTH = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"


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


def resident(pid: int) -> int:
    """Resident memory of a process in bytes."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) << 10


@contextlib.contextmanager
def watching(client):
    """Poll a spawned server; yields what was seen so far."""
    seen, over = Seen(resident(client.process.pid)), threading.Event()

    def watch_memory():
        while not over.wait(0.01):
            seen.above_idle = max(seen.above_idle, resident(client.process.pid) - seen.idle)

    def watch_health():
        while not over.wait(0.02):
            start = time.monotonic()
            with socket.create_connection(("127.0.0.1", client.rest_port), 60) as sock:
                sock.sendall(_HEALTH)
                assert sock.recv(15) == b"HTTP/1.1 200 OK"
            seen.slowest = max(seen.slowest, time.monotonic() - start)
            seen.polls += 1

    threads = [threading.Thread(target=watch) for watch in (watch_memory, watch_health)]
    for thread in threads:
        thread.start()
    try:
        yield seen
        time.sleep(0.1)
    finally:
        over.set()
        for thread in threads:
            thread.join()
