"""The processes that are measured: their data, their commands, and what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hilir.pipeline.config.data_path import resolve

TAXI = Path(resolve("package:tfx/examples/chicago_taxi_pipeline/data/simple/data.csv"))
TAXI_ROWS = 15_002
SCHEMA = "configs/schemas/taxi.pbtxt"
EPOCHS = 5
# As many as five epochs of ours take, by how often the rows are repeated.
STEPS = {1: 200, 20: 3920}


@dataclass(frozen=True)
class Cost:
    """What one process cost, its children's share included.

    `wall` and `cpu` are seconds, `memory` is the largest resident memory of one process in MB, `load` the machine's
    load of the last minute when it ended.
    """

    wall: float
    cpu: float
    memory: float
    load: float


def measure(command: Sequence[str], log: Path) -> Cost:
    """Runs the command to its end.

    Raises:
        RuntimeError: it failed.
    """
    with log.open("a") as file:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}; see {log}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.getloadavg()[0])


def make_rows(folder: Path, times: int) -> Path:
    """Writes the taxi rows, repeated, to a folder of their own; one that is there is taken as it is."""
    if not folder.exists():
        header, *rows = TAXI.read_text().splitlines(keepends=True)
        folder.mkdir(parents=True)
        with (folder / "data.csv").open("w") as file:
            file.write(header)
            for _ in range(times):
                file.writelines(rows)
    return folder


def ours(data: Path, out: Path, *more: str) -> list[str]:
    """Returns the command of a run with the stock pipeline's slices, metrics and steps."""
    sets = {
        "train.early_stopping": "null",
        "evaluate.slices": "{hour: {features: [trip_start_hour]}, day: {features: [trip_start_day]}}",
        "evaluate.thresholds": "[{metric: auc, min: 0.75}]",
        "train.epochs": EPOCHS,
    }
    return hilir("configs/taxi.yaml", data, out, *(f"{key}={value}" for key, value in sets.items()), *more)


def hilir(configuration: str, data: Path, out: Path, *sets: str) -> list[str]:
    """Returns the command of a run of a configuration that writes below `out` only."""
    places = {
        "data.path": data,
        "pipeline.root": out / "pipelines",
        "pipeline.runs": out / "runs",
        "serving.root": out / "models",
    }
    given = [*(f"{key}={value}" for key, value in places.items()), *sets]
    settings = [part for each in given for part in ("--set", each)]
    return [sys.executable, "-m", "hilir.pipeline.cli", "run", configuration, *settings]


def stock(data: Path, out: Path, times: int) -> list[str]:
    """Returns the command of the stock pipeline."""
    return [
        sys.executable, "-m", "benchmarks.pipeline.stock", str(data), str(out), str(STEPS[times]), str(EPOCHS), SCHEMA,
    ]  # fmt: skip
