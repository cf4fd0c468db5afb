"""The one place of exit codes: that of an error, and that of a run that came to its end."""

from __future__ import annotations

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
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            path = Path(str(error.filename)) if error.filename else Path.cwd()
            folder = next((each for each in (path, *path.absolute().parents) if each.is_dir()), Path("/"))
            free = shutil.disk_usage(folder).free / 2**20
            return (
                f"{path}: cannot be written, no space is left there ({free:,.0f} MB free); "
                "make room and type the command again, nothing that was complete is lost"
            )
        if isinstance(error, sqlite3.Error) and "disk is full" in str(error):
            return "a database cannot be written, no space is left on its disk; make room and type the command again"
        error = error.__cause__ or error.__context__
    return ""
