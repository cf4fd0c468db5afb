"""Latency and memory of one model in this process."""

from __future__ import annotations

import ctypes
import gzip
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

RUNS = 200
WARM_UP = 20


def measure_latencies(calls: Mapping[str, Callable[[], Any]], runs: int = RUNS) -> dict[str, dict[str, float]]:
    """Returns median and 95th percentile of each call's duration in milliseconds.

    The calls take turns, so that what else happens on the machine meets all of them alike.
    """
    durations: dict[str, list[int]] = {name: [] for name in calls}
    for run in range(WARM_UP + runs):
        for name, call in calls.items():
            start = time.perf_counter_ns()
            call()
            if run >= WARM_UP:
                durations[name].append(time.perf_counter_ns() - start)
    return {name: _percentiles(found) for name, found in durations.items()}


def _percentiles(nanoseconds: list[int]) -> dict[str, float]:
    return {
        "median": round(float(np.percentile(nanoseconds, 50)) / 1e6, 4),
        "p95": round(float(np.percentile(nanoseconds, 95)) / 1e6, 4),
    }


class PeakMemory:
    """The most memory beyond the start that the process held while the block ran; None where Linux's /proc is missing.

    Writing 5 to clear_refs resets the high-water mark VmHWM (proc(5)). What the process has freed before is given back
    to the system first, or the block would use that memory unseen.
    """

    bytes: int | None = None

    def __enter__(self) -> PeakMemory:
        try:
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")
            self._start: int | None = _status("VmRSS")
        except (OSError, AttributeError):
            self._start = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._start is not None:
            self.bytes = max(0, _status("VmHWM") - self._start)


def gzipped_size(files: Iterable[bytes]) -> int:
    """Returns the bytes that the files take when each is gzipped, as a web server or an app store would send them."""
    return sum(len(gzip.compress(content, 9, mtime=0)) for content in files)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {key}")
