"""The stages of a preflight: an error in one of them becomes a sentence that names the stage."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from hilir.components.cause import find_cause
from hilir.components.errors import ComponentError, PreflightError
from hilir.components.user_modules import find_folders


@contextmanager
def stage(what: str, package: str, remedy: str) -> Iterator[None]:
    """Turns an error of the block into a sentence; errors that have one pass.

    Args:
        what: what the block does.
        package: the user's package, whose file and line are named.
        remedy: what to do.

    Raises:
        PreflightError: the block raised an error that is not a ComponentError.
    """
    try:
        yield
    except ComponentError:
        raise
    except Exception as error:
        cause = find_cause(error, find_folders(package.partition(".")[0]))
        raise PreflightError(f"{what}: {' '.join(str(cause).split())}; nothing was trained, {remedy}") from error


@contextmanager
def without_progress() -> Iterator[None]:
    """Keeps the figures of the one step from being shown as those of a training."""
    progress = logging.getLogger("hilir.progress")

    def refuse(_: logging.LogRecord) -> bool:
        return False

    progress.addFilter(refuse)
    try:
        yield
    finally:
        progress.removeFilter(refuse)
