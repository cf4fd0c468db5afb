"""The machine and the versions that a figure was measured with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version


def describe_machine() -> str:
    """Returns one line: processor, cores, memory, system, Python and packages."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "tfx", "apache-beam"))
    cores = os.cpu_count()
    return (
        f"{model}, {cores} cores, {memory:.0f} GB, {platform.system()}, Python {platform.python_version()}, {packages}"
    )
