"""Rolls back under load, several times: `python -m benchmarks.release [--rate 200] [--times 5]`.

A real model server and a real Envoy on this machine; the load comes from another process. For each rollback the whole
command `hilir release rollback` is run as a user would. Writes its section of benchmarks/release/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.release.results import write_section
from tests.integration.release.place import Place, place_running
from tests.integration.serving.server_process import ROOT

MODEL = "half"
SECONDS = 10


def measure(place: Place, rate: int) -> dict[str, float]:
    """One rollback from version 2 to version 1, then back."""
    url = f"{place.url}/v1/models/{MODEL}:predict"
    words = [sys.executable, "-m", "tests.integration.release.load", url, str(rate), str(SECONDS)]
    load = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    time.sleep(2.0)
    command = [sys.executable, "-m", "hilir.pipeline.cli", "release", "rollback", "--model", MODEL, "--to", "1"]
    began = time.time()
    subprocess.run([*command, *place.flags], cwd=ROOT, check=True, capture_output=True)
    ended = time.time()
    stored = (place.root / MODEL / "release.json").stat().st_mtime
    answers = json.loads(load.communicate(timeout=SECONDS + 60)[0])
    last_wrong = max(answer["sent"] for answer in answers if answer["version"] == 2)
    place.release("rollback", "--to", 2, model=MODEL)
    return {
        "from the command": last_wrong - began,
        "from the stored state": last_wrong - stored,
        "whole command": ended - began,
        "failed": sum(answer["status"] != 200 for answer in answers),
        "requests": len(answers),
    }


def write(rate: int, found: list[dict[str, float]], load: float) -> str:
    """Returns the section of RESULTS.md."""

    def row(label: str, name: str, aim: str) -> str:
        values = [one[name] for one in found]
        spread = f"{min(values):.2f} to {max(values):.2f}"
        return f"| {label} | {statistics.median(values):.2f} s | {spread} | {aim} |"

    failed, requests = (int(sum(one[name] for one in found)) for name in ("failed", "requests"))
    return f"""`python -m benchmarks.release`, {datetime.now(UTC):%Y-%m-%d}, {describe_machine()},
load average {load:.1f} when it began.

{len(found)} rollbacks by `hilir release rollback`, a process of its own, under {rate} requests per second through
Envoy.

| from … until the last answer of the version that is left | median | spread | aim |
| --- | --- | --- | --- |
{row("the command's start", "from the command", "under 2 s")}
{row("the new state on disk", "from the stored state", "")}
{row("the command's start until its end, which waits for the servers", "whole command", "")}

Failed requests: {failed} of {requests:,} (aim: 0).
"""


def main() -> None:
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200, help="requests per second")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    load, found = os.getloadavg()[0], []
    with (
        tempfile.TemporaryDirectory() as folder,
        place_running(Path(folder), (MODEL, 1), (MODEL, 2)) as place,
    ):
        for version in (1, 2):
            place.release("stage", version, model=MODEL)
            place.release("promote", model=MODEL)
        for _ in range(given.times):
            found.append(measure(place, given.rate))
            print(found[-1], flush=True)
    write_section("Rollback under load", write(given.rate, found, load))


if __name__ == "__main__":
    main()
