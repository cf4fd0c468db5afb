"""`python -m benchmarks.train.clusters WHAT DATA [EPOCHS TURNS]`: clusters of local workers, each on its own core.

WHAT is `train-1` or `train-2` (workers), which train in turns with others, or, of which the seconds are printed as
JSON, `start-1` or `start-2`, `failure-worker`, `failure-chief` or `failure-hang`.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"

from benchmarks.train.job import make_job
from hilir.components.trainer.launch import launch


class Times(logging.Handler):
    """Notes when each progress report came."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[float, dict[str, Any]]] = []
        logger = logging.getLogger("hilir.progress")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append((time.monotonic(), record.progress))  # type: ignore[attr-defined]

    def of(self, name: str, after: float = 0.0) -> list[float]:
        return [at for at, figures in self.events if name in figures and at > after]


def train(data: Path, workers: int, *settings: str) -> None:
    """Trains with a batch of 64 for each worker."""
    cores = sorted(os.sched_getaffinity(0))
    job = make_job(
        data, "train.strategy=multi_worker", f"train.workers={workers}", "train.batch_per=replica", *settings
    )

    def pin(pids: list[int]) -> None:
        for pid, core in zip(pids, cores, strict=False):
            os.sched_setaffinity(pid, {core})

    launch(job, "multi_worker", workers, on_start=pin)


def measure_start(data: Path, workers: int) -> dict[str, float]:
    """Returns the seconds from the start until all workers are ready, and until the first step is done."""
    times, began = Times(), time.monotonic()
    train(data, workers, "train.epochs=1")
    return {"ready": times.of("workers")[0] - began, "first step": times.of("first step")[0] - began}


def measure_failure(data: Path, worker: int, number: int) -> dict[str, float]:
    """Returns the seconds from the mishap until it is noticed, and until the training goes on."""
    times = Times()
    job = make_job(data, "train.strategy=multi_worker", "train.workers=2", "train.epochs=3")
    struck: list[float] = []

    def strike(pid: int) -> None:
        while not times.of("epoch"):
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(pid, number)
        struck.append(time.monotonic())

    def on_start(pids: list[int]) -> None:
        if not struck:
            threading.Thread(target=strike, args=(pids[worker],), daemon=True).start()

    launch(job, "multi_worker", 2, on_start=on_start)
    return {
        "noticed": times.of("because", struck[0])[0] - struck[0],
        "training again": times.of("first step", struck[0])[0] - struck[0],
    }


def main(what: str, data: Path, *arguments: str) -> dict[str, float] | None:
    match what.split("-"):
        case ["train", workers]:
            epochs, turns = arguments
            train(data, int(workers), f"train.epochs={epochs}", f"train.hyperparameters.turns={turns}")
            return None
        case ["start", workers]:
            return measure_start(data, int(workers))
        case ["failure", "worker"]:
            return measure_failure(data, 1, signal.SIGKILL)
        case ["failure", "chief"]:
            return measure_failure(data, 0, signal.SIGKILL)
        case ["failure", "hang"]:
            return measure_failure(data, 1, signal.SIGSTOP)
    raise SystemExit(f"unknown: {what}")


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])))
