"""From the first error of a new version to its rollback: `python -m benchmarks.loop.rollback [--rate 100] [--times 3]`.

Real processes: a model server, Envoy, a sender of REST and gRPC requests in turns, and `hilir release rollout` as a
user would type it. The new version has an error for one request in ten; stable has none. Writes its section of
benchmarks/loop/RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.release.results import write_section
from tests.integration.release.both_protocols import sending
from tests.integration.release.place import Place, place_running
from tests.integration.release.versions import make_version
from tests.integration.serving.server_process import ROOT

RESULTS = Path(__file__).with_name("RESULTS.md")
SHARES = (5, 25, 50)


def measure(place: Place, model: str, percent: int, rate: int) -> dict[str, float]:
    """One rollout of version 3, which fails, with stable version 2 behind it."""
    for number in (1, 2, 3):
        make_version(place.root, number, model=model, fails_at=2.0 if number == 3 else None)
    for number in (1, 2):
        place.release("stage", number, model=model)
        place.release("promote", model=model)
    words = ["release", "rollout", "3", "--model", model, *place.flags, "--steps", f"{percent},100", "--hold", "10m"]
    command = [sys.executable, "-m", "hilir.pipeline.cli", *words]
    with sending(place.url, place.settings.listen, model, rate) as answers:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 5, done.stdout + done.stderr
    assert "rolled back: version 3 has no traffic" in done.stdout, done.stdout
    stored = datetime.fromisoformat(place.state(model)["history"][-1]["at"]).timestamp()
    failed = [answer for answer in answers if answer["status"] != "ok"]
    assert {answer["version"] for answer in failed} == {"3"}, "only the injected errors"
    assert {answer["protocol"] for answer in failed} == {"REST", "gRPC"}
    first, last = min(answer["sent"] for answer in failed), max(answer["sent"] for answer in failed)
    reached = max(answer["sent"] for answer in answers if answer["version"] == "3")
    return {
        "to the rollback": stored - first,
        "to its last request": reached - first,
        "to the last error": last - first,
        "errors": len(failed),
        "requests": len(answers),
    }


def write(found: dict[int, list[dict[str, float]]], rate: int, load: float) -> str:
    """Returns the section of RESULTS.md."""

    def cell(values: list[dict[str, float]], name: str, form: str) -> str:
        numbers = [one[name] for one in values]
        return f"{statistics.median(numbers):{form}} ({min(numbers):{form}} to {max(numbers):{form}})"

    rows = "\n".join(
        f"| {percent} % | {cell(values, 'to the rollback', '.1f')} s | "
        f"{cell(values, 'to its last request', '.1f')} s | {cell(values, 'errors', '.0f')} |"
        for percent, values in found.items()
    )
    times = len(next(iter(found.values())))
    requests = sum(int(one["requests"]) for values in found.values() for one in values)
    return f"""`python -m benchmarks.loop.rollback`, {datetime.now(UTC):%Y-%m-%d}, {describe_machine()},
load average {load:.1f} when it began.

`hilir release rollout 3 --steps SHARE,100` looks every second; {rate} requests per second, REST and gRPC in turns;
version 3 has an error for one request in ten, stable for none. Median (and spread) of {times} rollouts each.

| version 3's share | first error until the rollback is stored | until its last request | errors that callers saw |
| --- | --- | --- | --- |
{rows}

No request failed but the injected ones ({requests:,} requests in all).
"""


def main() -> None:
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100, help="requests per second")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    found: dict[int, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, place_running(Path(folder)) as place:
        for percent in SHARES:
            found[percent] = []
            for number in range(given.times):
                found[percent].append(measure(place, f"model-{percent}-{number}", percent, given.rate))
                print(percent, found[percent][-1], flush=True)
    write_section("From an error to the rollback", write(found, given.rate, load), RESULTS)


if __name__ == "__main__":
    main()
