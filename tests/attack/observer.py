"""Run next to an attack, as a process of its own: what it sees is the server's doing, not its own interpreter's.

    python -m tests.attack.observer PID PORT

Polls until its standard input ends, then prints the most resident memory of the process in bytes, the longest wait for
`/healthz` in seconds, and how often it asked.
"""

import re
import socket
import sys
import threading
import time
from pathlib import Path

_HEALTH = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"


def resident(pid: int) -> int:
    """Resident memory of a process in bytes."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) << 10


def ask(port: int) -> float:
    """Seconds that an answer of `/healthz` took."""
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        sock.sendall(_HEALTH)
        assert sock.recv(15) == b"HTTP/1.1 200 OK"
    return time.monotonic() - start


def main(pid: int, port: int) -> None:
    """Look at both until the attack is over; a line for every look at memory tells the test where it stands."""
    over, most, slowest, polls = threading.Event(), 0, 0.0, 0

    def look():
        nonlocal most
        while not over.is_set():
            now = resident(pid)
            if now > most:
                most = now
                print("memory", most, flush=True)
            over.wait(0.01)

    looking = threading.Thread(target=look)
    looking.start()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    while not over.wait(0.02):
        slowest, polls = max(slowest, ask(port)), polls + 1
    looking.join()
    print("health", slowest, polls, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
