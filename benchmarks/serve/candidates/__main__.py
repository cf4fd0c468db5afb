"""`python -m benchmarks.serve.candidates`: a table of cases and requests per second for each candidate.

granian is not a dependency: `pip install granian` first, or its column says that it is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.serve.__main__ import ROOT, load
from benchmarks.serve.candidates.apps import CANDIDATES
from benchmarks.serve.candidates.cases import CASES

# Label and unit of a figure: size of the body in bytes, number of connections.
LOADS = {
    ("64 connections", "per_second"): (500, 64),
    ("1 connection", "p50_ms"): (500, 1),
    ("3 MB", "p50_ms"): (3_000_000, 1),
}


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=2.0, help="Duration of one load.")
    parser.add_argument("--rounds", type=int, default=3, help="Loads per candidate, in turns.")
    args = parser.parse_args()
    columns = {name: judge(name) for name in CANDIDATES}
    speeds = measure(args.seconds, args.rounds)
    print("| case | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for case in CASES:
        print(f"| {case} | " + " | ".join(found[case] for found in columns.values()) + " |")
    for label, unit in LOADS:
        medians = [statistics.median(speeds[name, label]) for name in columns]
        cells = [f"{each:,.3f} ({each / medians[0]:.2f})" for each in medians]
        print(f"| {label}, {unit} (x own) | " + " | ".join(cells) + " |")


def judge(name: str) -> dict[str, str]:
    """The outcome of each case; they wait for deadlines, so all run at the same time."""
    with running(name) as port, ThreadPoolExecutor(len(CASES)) as pool:
        found = {case: pool.submit(check, port) for case, check in CASES.items()}
        return {case: describe(future.exception()) for case, future in found.items()}


def describe(error: BaseException | None) -> str:
    """One cell."""
    match error:
        case None:
            return "yes"
        case TimeoutError():
            return "**no** (hangs)"
    return "**no**"


def measure(seconds: float, rounds: int) -> dict[tuple[str, str], list[float]]:
    """The figures of each candidate and load, the candidates in turns."""
    speeds: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name in CANDIDATES:
                with running(name) as port:
                    for (label, unit), (size, clients) in LOADS.items():
                        body = Path(folder) / "body"
                        body.write_bytes(bytes(size))
                        result = load("rest", port, body, clients, seconds, "/echo")
                        if result["failed"]:
                            raise SystemExit(f"{name}, {label}: {result['failed']} requests failed")
                        speeds.setdefault((name, label), []).append(result[unit])
    return speeds


@contextlib.contextmanager
def running(name: str) -> Iterator[int]:
    """A candidate in a process of its own; yields its port."""
    from tests.integration.serving.server_process import free_port, wait_until

    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.serve.candidates.apps", name, str(port)], cwd=ROOT)

    def is_up() -> bool:
        if process.poll() is not None:
            raise SystemExit(f"{name} did not start")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        return False

    try:
        wait_until(is_up, 60, name)
        yield port
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
