"""The one place of exit codes: that of an error, and that of a run that came to its end."""

from __future__ import annotations

import sys

# By import path, so that a class counts without its package having to be imported here. The first that fits wins:
#   2  the command was typed wrong (click's own)
#   3  the configuration, or what it points to, is wrong
#   4  a step of the pipeline failed
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
