"""`python -m benchmarks.train [--rounds N] [--repetitions N]`: writes benchmarks/train/RESULTS.md."""

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
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.train.turns import give_turns
from benchmarks.train.workload.features import ROWS

RESULTS = Path("benchmarks/train/RESULTS.md")
# Each training's module, what the module is asked for, and how many processes train.
TRAININGS = {
    "bare": ("in_process", "bare", 1),
    "one_device": ("in_process", "one_device", 1),
    "mirrored": ("in_process", "mirrored", 1),
    "workers-1": ("clusters", "train-1", 1),
    "workers-2": ("clusters", "train-2", 2),
}
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"}


def run(*arguments: str) -> Any:
    """Returns what the measuring process prints last."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.train.clusters", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        timeout=900,
        env=ENVIRONMENT,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    print(*arguments[:1], result, flush=True)
    return result


def measure_epochs(data: Path, rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of the epochs of all trainings, which take turns."""
    folder = Path(tempfile.mkdtemp(dir=data))
    with ExitStack() as stack:
        running: dict[str, subprocess.Popen[bytes]] = {}
        for name, (module, what, _) in TRAININGS.items():
            log = stack.enter_context(open(folder / f"{name}.log", "wb"))
            command = [sys.executable, "-m", f"benchmarks.train.{module}", what, str(data), str(rounds + 1)]
            process = subprocess.Popen([*command, str(folder / name)], stdout=log, stderr=log, env=ENVIRONMENT)
            running[name] = stack.enter_context(process)
            stack.callback(process.terminate)

        def check() -> None:
            for name, process in running.items():
                if process.poll():
                    text = (folder / f"{name}.log").read_text(errors="replace")
                    raise SystemExit(f"{name} ended with code {process.returncode}:\n{text[-3000:]}")

        processes = {name: count for name, (_, _, count) in TRAININGS.items()}
        found = give_turns(folder, processes, rounds + 1, check)
        for process in running.values():
            process.wait(timeout=120)
        check()
    for name, seconds in found.items():
        print(name, *(f"{each:.2f}" for each in seconds), flush=True)
    return found


def measure_import() -> float:
    """Returns the seconds that one worker takes to import what it needs, alone on the machine, as workers do it."""
    began = time.monotonic()
    code = "import os, tensorflow, hilir.components.trainer.train; os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    return time.monotonic() - began


def measure_clusters(data: Path, repetitions: int) -> dict[str, list[float]]:
    """Returns the seconds that clusters take to start, and to get over failures."""
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for _ in range(repetitions):
        note("import", measure_import())
        for workers in (1, 2):
            started = run(f"start-{workers}", str(data))
            note(f"ready-{workers}", started["ready"])
            note(f"first-{workers}", started["first step"])
        for kind in ("worker", "chief", "hang"):
            failure = run(f"failure-{kind}", str(data))
            note(f"{kind} noticed", failure["noticed"])
            note(f"{kind} again", failure["training again"])
    return found


def shown(values: list[float]) -> str:
    """Returns the median and the spread."""
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def write(found: Mapping[str, list[float]], rounds: int, repetitions: int, load: float) -> str:
    """Returns the text of RESULTS.md."""

    def ratio(name: str, other: str, text: str) -> str:
        # Of figures that were measured one after the other, in the same round.
        ratios = [one / another for one, another in zip(found[name], found[other], strict=True)]
        return f"{statistics.median(ratios):.2f} {text} ({min(ratios):.2f} to {max(ratios):.2f})"

    rows = [
        ("bare `model.fit` on tensors in memory, an epoch", shown(found["bare"]), "", ""),
        ("`one_device`, an epoch", shown(found["one_device"]), ratio("one_device", "bare", "× bare"), "≤ 1.05"),
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

`python -m benchmarks.train --rounds {rounds} --repetitions {repetitions}`, {datetime.now(UTC):%Y-%m-%d}; medians
(least to most), of the ratios too.
{describe_machine()}.
Other work on the machine meanwhile: load average {load:.1f} when it began.

The workload: {ROWS:,} images of 16 × 16, three convolutions of 64 filters, batches of 64, each epoch with its
evaluation, checkpoint and TensorBoard logs (the bare fit has neither of the last two). The first epoch, which holds
the tracing, is left out.
All trainings are alive at once and do their epochs in turns, one at a time, as the pace of a shared machine changes
from minute to minute; each ratio is of two epochs of one round.
With `multi_worker` each worker has one core and a batch of 64 of its own, so that two workers do half the steps each.

| what | measured | ratio | aim |
| --- | --- | --- | --- |
{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=12, help="epochs of each training")
    parser.add_argument("--repetitions", type=int, default=3, help="of starts and failures")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    data = Path(tempfile.mkdtemp(prefix="hilir-bench-train-"))
    try:
        subprocess.run([sys.executable, "-m", "benchmarks.train.prepare", str(data)], check=True)
        found = measure_epochs(data, arguments.rounds) | measure_clusters(data, arguments.repetitions)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    RESULTS.write_text(write(found, arguments.rounds, arguments.repetitions, load))
    print(RESULTS)


if __name__ == "__main__":
    main()
