"""Checks of the machine: host, Python, packages, Beam, disk."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from hilir.pipeline.report.finding import Finding
from hilir.setup.folders import DATA
from hilir.setup.glibc import find_version

_DISK_GB = 5.0
_MEMORY_GB = 4.0
# The image for CPUs has TensorFlow under its other name: requirements/image-cpu.txt.
_OTHER_NAMES = {"tensorflow": "tensorflow-cpu"}


def check_host() -> Iterator[Finding]:
    """Yields findings about the host, the Python, the packages, memory and disk."""
    yield _host()
    yield _libc()
    yield _python()
    yield from _packages()
    yield _memory()
    yield _disk()


def check_beam(options: Sequence[str] = ("--runner=FnApiRunner",)) -> Finding:
    """Finds whether one of Beam's runners on this machine works: it adds three numbers in a process of its own."""
    program = (
        "import sys\n"
        "import apache_beam as beam\n"
        "from apache_beam.testing.util import assert_that, equal_to\n"
        "with beam.Pipeline(argv=sys.argv[1:]) as p:\n"
        "    assert_that(p | beam.Create([1, 2, 3]) | beam.CombineGlobally(sum), equal_to([6]))\n"
    )
    command = [sys.executable, "-c", program, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    runner = options[0].rpartition("=")[2].rpartition(".")[2]
    if done.returncode == 0:
        return Finding("Beam", f"{version('apache-beam')}, {runner} adds three numbers")
    reason = (done.stderr.strip() or "it ended without a message").splitlines()[-1]
    return Finding("Beam", f"{runner} failed: {reason}", _reinstall())


def _host() -> Finding:
    system, machine = platform.system(), platform.machine()
    fact = f"{system} {machine}, {os.cpu_count()} cores"
    if (system, machine) in {("Linux", "x86_64"), ("Darwin", "arm64")}:
        return Finding("host", fact)
    return Finding("host", fact, "TFX has no packages for it; use hilir's container image")


def _libc() -> Finding:
    # An old glibc was refused by the entry point.
    version = find_version()
    return Finding("C library", f"glibc {version}" if version else "the system's own")


def _python() -> Finding:
    fact = f"{platform.python_version()} at {sys.prefix}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("Python", fact)
    return Finding("Python", fact, "make the environment with Python 3.11, 3.12 or 3.13")


def _packages() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    wrong = []
    for line in requires("hilir") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = _find_version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} is {found}, wanted {requirement.specifier}")
    if wrong:
        yield Finding("packages", "; ".join(wrong), _reinstall())
    else:
        yield Finding("packages", f"TensorFlow {_find_version('tensorflow')}, TFX {version('tfx')}, all as wanted")


def _reinstall() -> str:
    # In a clone the data of hilir.setup is links.
    if (DATA / "tools.txt").is_symlink():
        return "type 'rm -rf .venv && make setup'"
    return "type 'pip install --require-hashes --no-deps -r runtime.txt' with the file that came with the wheel"


def _find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        if name not in _OTHER_NAMES:
            raise
        return version(_OTHER_NAMES[name])


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    fact = f"{total:.0f} GB"
    return Finding(
        "memory", fact, "" if total >= _MEMORY_GB else f"a run needs {_MEMORY_GB:.0f} GB; use a larger machine"
    )


def _disk() -> Finding:
    free = shutil.disk_usage(".").free / 1e9
    return Finding(
        "disk", f"{free:.0f} GB free here", "" if free >= _DISK_GB else f"free {_DISK_GB:.0f} GB, or use another disk"
    )
