"""Runs the tests in parts, some at a time: `python -m tests.parts`, which is `make test`.

Tests of a part share what they make once (runs of whole pipelines, servers), and many of them wait for other processes
or for time to pass, those of releases above all; so there is one part more at a time than there are processors, and at
most three, each of which may need 3 GB. A part's output is printed when it has ended, and the time of each at the end.
What no part names is in the last one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The longest first, so that none is left over at the end. What a part names within another's folder is not the other's.
PARTS = {
    "projects": ["tests/e2e"],
    # All that ask for the runs of taxi and digits.
    "examples": [
        "tests/e2e/test_taxi.py",
        "tests/integration/emulator",
        "tests/integration/exporter/test_exports.py",
        "tests/integration/test_signatures.py",
    ],
    "releases": [
        "tests/integration/release",
        "tests/integration/experiment",
        "tests/integration/outcomes",
        "tests/contract/deploy",
        "tests/loop",
    ],
    "components": ["tests/unit/components"],
    "training": ["tests/integration/training"],
    "vertex": ["tests/contract/vertex", "tests/integration/triggers"],
    "serving": ["tests/contract/serving", "tests/integration/serving", "tests/integration/gateway"],
    "units": ["tests/unit", "tests/golden"],
    "exporter": ["tests/integration/exporter"],
}
AT_A_TIME = 3
MARKS = "not slow and not browser and not gpu"
# pytest's exit code where nothing was selected.
_NOTHING = 5


@dataclass(frozen=True)
class Part:
    """How a part ended."""

    name: str
    code: int
    seconds: float
    processor_seconds: float
    last_line: str


def find_parts() -> Iterator[tuple[str, list[str]]]:
    """Yields name and arguments of each part; the last one has the files that no other part names."""
    named = {path for paths in PARTS.values() for path in paths}
    for name, paths in PARTS.items():
        inner = [path for path in named for outer in paths if path != outer and Path(path).is_relative_to(outer)]
        yield name, [*paths, *(f"--ignore={path}" for path in sorted(set(inner) - set(paths)))]
    folders = (path for path in (ROOT / "tests").rglob("test_*.py"))
    rest = [
        str(path.relative_to(ROOT))
        for path in sorted(folders)
        if not any(path.is_relative_to(ROOT / each) for each in named) and "browser" not in path.parts
    ]
    if rest:
        yield "rest", rest


def run_part(name: str, paths: list[str], arguments: list[str]) -> Part:
    """Runs one part and prints what it printed."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-m", MARKS, "--durations=10", *arguments, *paths]
    with tempfile.TemporaryFile() as output:
        # A folder of its own for temporary files: pytest removes those of older runs, which may be another part's.
        with tempfile.TemporaryDirectory(prefix=f"tests-{name}-") as folder:
            environment = os.environ | {"PYTEST_DEBUG_TEMPROOT": folder}
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = code = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    print(f"\n===== {name}\n{text}", flush=True)
    lines = [line for line in text.splitlines() if line.strip()]
    seconds, worked = time.monotonic() - begun, usage.ru_utime + usage.ru_stime
    return Part(name, 0 if code == _NOTHING else code, seconds, worked, lines[-1] if lines else "")


def main(arguments: list[str]) -> int:
    """Runs all parts; returns 0 if all tests passed."""
    begun = time.monotonic()
    with ThreadPoolExecutor(min(AT_A_TIME, (os.cpu_count() or 1) + 1)) as pool:
        found = list(pool.map(lambda part: run_part(part[0], part[1], arguments), find_parts()))
    print("\n===== time per part, and of the processor (without processes that nobody waited for)")
    for part in found:
        outcome = "passed" if part.code == 0 else "FAILED"
        print(f"{part.name:<12} {part.seconds:>7.0f} s {part.processor_seconds:>7.0f} s  {outcome}  {part.last_line}")
    worked = sum(part.processor_seconds for part in found)
    print(f"{'all':<12} {time.monotonic() - begun:>7.0f} s {worked:>7.0f} s")
    return max(abs(part.code) for part in found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
