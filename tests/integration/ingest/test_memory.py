"""Data of any size is read in the same memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Reads a file in a process of its own; prints rows, and the largest resident memory above that of the imports (MB).
SCRIPT = """
import json, re, resource, sys
import apache_beam as beam
from hilir.components.example_gen.ingest import Ingest
from hilir.components.example_gen.settings import ReadSettings

def read(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

path, folder, workers, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
options = ["--runner=FnApiRunner"]
if workers != "1":
    options += ["--direct_running_mode=multi_threading", f"--direct_num_workers={workers}"]
with beam.Pipeline(argv=options) as pipeline:
    pipeline | beam.Create([1, 2]) | beam.Map(print)
before = read("VmRSS")
if limit:
    # What the process may have on top of what it has: beyond it, allocations fail.
    resource.setrlimit(resource.RLIMIT_DATA, ((read("VmData") + limit * 1024) * 1024,) * 2)
ingest = Ingest(ReadSettings(), lambda: beam.Pipeline(argv=options), f"{folder}/work")
ingested = ingest.run([(path, None)], {"train": f"{folder}/train", "eval": f"{folder}/eval"})
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"rows": sum(ingested.rows.values()), "megabytes": (peak - before) / 1024}))
"""


def ingest(path: Path, folder: Path, workers: int = 1, limit: int = 0) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(folder), str(workers), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def repeat(taxi_rows: Path, folder: Path, times: int) -> Path:
    header, rows = taxi_rows.read_bytes().split(b"\n", 1)
    path = folder / "taxi.csv"
    with path.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(times):
            file.write(rows)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("times", "workers"), [(20, 1), (200, 1), (200, 2)])
def test_memory_does_not_grow_with_the_data(taxi_rows: Path, tmp_path: Path, times: int, workers: int) -> None:
    path = repeat(taxi_rows, tmp_path, times)
    found = ingest(path, tmp_path / "out", workers, limit=1500)
    assert found["rows"] == times * 15_002
    assert found["megabytes"] <= 600
