"""From a shift of the traffic to its alarm: `python -m benchmarks.loop.alarm [--rate 100] [--times 3]`.

Real processes: a model server, Envoy, a sender of REST and gRPC requests in turns, and a `hilir monitor run` for each
size of the windows, which read the same log. Writes its section of benchmarks/loop/RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.machine import describe_machine
from benchmarks.release.results import write_section
from hilir.analysis.drift import Level
from hilir.serving.monitor.window_store import MonitorStore, StoredWindow, has_state
from tests.loop.processes import Running, project_running
from tests.loop.shop import MODEL, write_project
from tests.loop.small_versions import make_version, push_version
from tests.loop.traffic import sending

RESULTS = Path(__file__).with_name("RESULTS.md")
ROWS = (200, 400, 1000)
SHIFTS = (0.5, 1.0)
LEVELS = {0.5: Level.WARN, 1.0: Level.ALARM}


def start_monitor(running: Running, rows: int) -> None:
    """Starts a monitor with windows of so many rows, whose state is its own."""
    content = yaml.safe_load(running.config.read_text())
    content["monitor"] |= {"window_rows": rows, "state": f"out/monitor-{rows}", "outcomes": None}
    (running.folder / f"{rows}.yaml").write_text(yaml.safe_dump(content))
    running.start(f"monitor-{rows}", "monitor", "run", f"{rows}.yaml")


def read_windows(running: Running, rows: int) -> list[StoredWindow]:
    """The windows that are closed."""
    folder = running.folder / f"out/monitor-{rows}" / MODEL
    return MonitorStore(folder).windows() if has_state(folder) else []


def await_level(running: Running, rows: int, seen: int, level: Level) -> int | None:
    """The number of rows' windows if one after `seen` has the level for the size, else None."""
    found = [each for each in read_windows(running, rows) if each.id > seen]
    reached = [
        each.id
        for each in found
        for feature in each.result.features
        if feature.name == "size" and Level[feature.level.upper()] >= level
    ]
    return reached[0] if reached else None


def measure(running: Running, tell, shift: float) -> dict[int, float]:
    """Seconds from a shift to the first window at the level, by the rows of a window; clean windows come before."""
    tell("0.0")
    settled = time.time()

    def clean(rows: int) -> bool:
        return any(each.result.first > settled + 1 for each in read_windows(running, rows))

    running.wait(lambda: all(clean(rows) for rows in ROWS), 120, "a clean window of each size")
    newest = {rows: max(each.id for each in read_windows(running, rows)) for rows in ROWS}
    tell(str(shift))
    began, found = time.time(), {}

    def look() -> bool:
        for rows in ROWS:
            if rows not in found and await_level(running, rows, newest[rows], LEVELS[shift]) is not None:
                found[rows] = time.time() - began
        return len(found) == len(ROWS)

    running.wait(look, 120, "the level in windows of each size")
    return found


def write(found: dict[float, list[dict[int, float]]], rate: int, load: float) -> str:
    """Returns the section of RESULTS.md."""

    def cell(shift: float, rows: int) -> str:
        values = [one[rows] for one in found[shift]]
        return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f}) s"

    lines = "\n".join(f"| {rows:,} | {' | '.join(cell(shift, rows) for shift in SHIFTS)} |" for rows in ROWS)
    times = len(found[SHIFTS[0]])
    return f"""`python -m benchmarks.loop.alarm`, {describe_machine()},
load average {load:.1f} when it began.

One feature of the traffic shifts, {rate} requests per second of one row, REST and gRPC in turns, behind Envoy;
`hilir monitor run` looks every second. Until the window that shows it is closed and stored; the window in which the
shift begins has both. Median (and spread) of {times} shifts each; `window_seconds` is 0.

| rows of a window | +0.5 standard deviations, until warn | +1 standard deviation, until alarm |
| --- | --- | --- |
{lines}
"""


def main() -> None:
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100, help="requests per second")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    found: dict[float, list[dict[int, float]]] = {shift: [] for shift in SHIFTS}
    with tempfile.TemporaryDirectory() as name, project_running(Path(name)) as running:
        write_project(running.folder, "[]", [])
        running.root.mkdir(parents=True)
        make_version(running.root, 1, 0.0)
        push_version(running.root, 1)
        running.start_serving()
        running.call("release", "stage", "1", *running.release_options)
        running.call("release", "promote", *running.release_options)
        for rows in ROWS:
            start_monitor(running, rows)
        with sending(running.url, running.rpc, given.rate) as answers:
            for shift in SHIFTS * given.times:
                found[shift].append(measure(running, answers.tell, shift))
                print(shift, found[shift][-1], flush=True)
        assert {each["status"] for each in answers} == {"ok"}
    write_section("From a shift to its alarm", write(found, given.rate, load), RESULTS)


if __name__ == "__main__":
    main()
