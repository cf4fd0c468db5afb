"""`python -m benchmarks.train [--repetitions N]`: writes benchmarks/train/RESULTS.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.train.workload.features import ROWS

RESULTS = Path("benchmarks/train/RESULTS.md")
WAYS = ("bare", "one_device", "mirrored")
EPOCHS = 4


def run(module: str, *arguments: str) -> Any:
    """Returns what the measuring process prints last."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.train.{module}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        timeout=900,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    result = json.loads(done.stdout.splitlines()[-1])
    print(module, *arguments[:1], result, flush=True)
    return result


def measure_import() -> float:
    """Returns the seconds that one worker takes to import what it needs, alone on the machine, as workers do it."""
    began = time.monotonic()
    code = "import os, tensorflow, components.trainer.train; os._exit(0)"
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL, env=environment)
    return time.monotonic() - began


def measure(data: Path, repetitions: int) -> dict[str, list[float]]:
    """Returns every measured figure by name; the ways take turns, so that a busy moment hits all of them."""
    found: dict[str, list[float]] = {}

    def note(name: str, *values: float) -> None:
        found.setdefault(name, []).extend(values)

    for _ in range(repetitions):
        # Twice, as the machine's own pace changes by a tenth from minute to minute.
        for way in WAYS * 2:
            note(way, *run("in_process", way, str(data), str(EPOCHS)))
        note("import", measure_import())
        for workers in (1, 2):
            scaled = run("clusters", f"scale-{workers}", str(data))
            note(f"workers-{workers}", *scaled["epochs"])
            note(f"ready-{workers}", scaled["ready"])
            note(f"first-{workers}", scaled["first step"])
        for kind in ("worker", "chief", "hang"):
            failure = run("clusters", f"failure-{kind}", str(data))
            note(f"{kind} noticed", failure["noticed"])
            note(f"{kind} again", failure["training again"])
    return found


def shown(values: list[float]) -> str:
    """Returns the median and the spread."""
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def write(found: dict[str, list[float]], repetitions: int, load: float) -> str:
    """Returns the text of RESULTS.md."""

    def ratio(name: str, other: str, text: str) -> str:
        # The least is what other work on the machine has disturbed least; the medians are told beside it.
        least, median = (pick(found[name]) / pick(found[other]) for pick in (min, statistics.median))
        return f"{least:.2f} {text} (medians: {median:.2f})"

    rows = [
        ("bare `model.fit` on tensors in memory, an epoch", shown(found["bare"]), "", ""),
        (
            "`one_device`, an epoch",
            shown(found["one_device"]),
            ratio("one_device", "bare", "× bare"),
            "≤ 1.05",
        ),
        (
            "`mirrored`, 2 logical CPU devices, an epoch",
            shown(found["mirrored"]),
            ratio("mirrored", "bare", "× bare"),
            "reported",
        ),
        ("`multi_worker`, 1 worker on 1 core, an epoch", shown(found["workers-1"]), "", ""),
        (
            "`multi_worker`, 2 workers on 2 cores, an epoch",
            shown(found["workers-2"]),
            ratio("workers-1", "workers-2", "× as fast with twice the cores"),
            "≥ 1.6 ×",
        ),
        ("import of one worker, alone", shown(found["import"]), "", ""),
        ("start of 1 worker until it is ready", shown(found["ready-1"]), "", ""),
        (
            "start of 2 workers until both are ready",
            shown(found["ready-2"]),
            ratio("ready-2", "import", "× import"),
            "≤ 2 × import",
        ),
        ("start of 2 workers until the first step is done", shown(found["first-2"]), "", "reported"),
    ]
    for kind, name in (("worker", "killed worker"), ("chief", "killed chief"), ("hang", "stopped (hung) worker")):
        rows.append((f"{name}: until it is noticed", shown(found[f"{kind} noticed"]), "", "seconds"))
        rows.append((f"{name}: until the training goes on", shown(found[f"{kind} again"]), "", "reported"))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""# Distributed training

`python -m benchmarks.train --repetitions {repetitions}`, {datetime.now(UTC):%Y-%m-%d}; median
(least to most), ratios of the least and of the medians.
{describe_machine()}.
Other work on the machine meanwhile: load average {load:.1f} when it began.

The workload: {ROWS:,} images of 16 × 16, three convolutions of 64 filters, batches of 64, each epoch with its
evaluation, checkpoint and TensorBoard logs (the bare fit has neither of the last two). The first epoch, which holds
the tracing, is left out.
With `multi_worker` each worker has one core and a batch of 64 of its own, so that two workers do half the steps each.

| what | measured | ratio | aim |
| --- | --- | --- | --- |
{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    data = Path(tempfile.mkdtemp(prefix="hilir-bench-train-"))
    try:
        subprocess.run([sys.executable, "-m", "benchmarks.train.prepare", str(data)], check=True)
        found = measure(data, arguments.repetitions)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    RESULTS.write_text(write(found, arguments.repetitions, load))
    print(RESULTS)


if __name__ == "__main__":
    main()
