"""The one place of exit codes: that of an error, and that of a run that came to its end."""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
import sys
from pathlib import Path

# By import path, so that a class counts without its package having to be imported here. The first that fits wins:
#   2  the command was typed wrong (click's own)
#   3  the configuration, or what it points to, is wrong
#   4  a step of the pipeline failed, or a disk is full
#   5  a release was refused
#   6  the run is complete and its model is not blessed (no error: the code of a status)
# 130  interrupted
_CODES = {
    "hilir.pipeline.errors.ConfigError": 3,
    "hilir.setup.errors.SetupError": 3,
    "hilir.pipeline.errors.StepFailed": 4,
    "hilir.pipeline.errors.Interrupted": 130,
    "hilir.components.errors.ModelPackageError": 3,
    "hilir.components.errors.ComponentError": 4,
    "hilir.serving.errors.ReleaseRefused": 5,
    "hilir.serving.errors.ServingError": 3,
}


# Of a run that came to its end, by its status.
_STATUS_CODES = {"succeeded": 0, "not_blessed": 6}


def status_code(status: str) -> int:
    """Returns the exit code of a run that came to its end: `succeeded` or `not_blessed`."""
    return _STATUS_CODES[status]


def exit_code(error: BaseException) -> int | None:
    """Returns the exit code of an error meant for the user, or None for a bug."""
    for path, code in _CODES.items():
        module, _, name = path.rpartition(".")
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return code
    return None


def find_full_disk(error: BaseException | None) -> str:
    """Returns the sentence about a disk, or a quota, that is full; nothing if no cause of the error is one."""
    while error is not None:
        of_store = isinstance(error, sqlite3.Error) or type(error).__module__.startswith("ml_metadata")
        full = of_store and "disk is full" in str(error)
        if full or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
            # Only what opens a file names it; what writes to it does not.
            name = getattr(error, "filename", None)
            places = [Path(str(name))] if name else _list_full_disks() or [Path.cwd()]
            shown = ", ".join(f"{place} ({_free(place):,.0f} MB free)" for place in places)
            return (
                f"no space is left to write to {shown}; make room and type the command again, "
                "nothing that was complete is lost"
            )
        error = error.__cause__ or error.__context__
    return ""


def _free(path: Path) -> float:
    """Returns the free space in MB where the path is, or would be."""
    folder = next((each for each in (path, *path.absolute().parents) if each.is_dir()), Path("/"))
    return shutil.disk_usage(folder).free / 2**20


def _list_full_disks() -> list[Path]:
    """Returns where file systems are mounted that have less than a megabyte left."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, point, _, options, *_ = line.split()
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(point)
            if usage.total and usage.free < 2**20 and "ro" not in options.split(","):
                found.append(Path(point))
    return found
