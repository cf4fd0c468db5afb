"""Rolls back under load, several times: `python -m benchmarks.release [--rate 200] [--times 5]`.

A real model server and a real Envoy on this machine; the load comes from another process. For each rollback the whole
command `hilir release rollback` is run as a user would. Printed per rollback: seconds from the start of the command to
the last request that the bad version answered, the same from the start of the verb (the command without Python's
start), and failed requests.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import describe_machine
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
    command = [sys.executable, "-m", "pipeline.cli", "release", "rollback", "--model", MODEL, "--to", "1"]
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


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200, help="requests per second")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    print(describe_machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        place_running(Path(folder), (MODEL, 1), (MODEL, 2)) as place,
    ):
        for version in (1, 2):
            place.release("stage", version, model=MODEL)
            place.release("promote", model=MODEL)
        for _ in range(given.times):
            print("  ".join(f"{name} {value:.3f}" for name, value in measure(place, given.rate).items()), flush=True)


if __name__ == "__main__":
    main()
