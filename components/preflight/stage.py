"""The stages of a preflight: an error in one of them becomes a sentence that names the stage."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from hilir.components.cause import find_cause
from hilir.components.errors import ComponentError, PreflightError


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
        cause = find_cause(error, find_folders(package))
        raise PreflightError(f"{what}: {' '.join(str(cause).split())}; nothing was trained, {remedy}") from error


def find_folders(package: str) -> Sequence[str]:
    """Returns where the files of the user's top-level package are."""
    spec = find_spec(package.partition(".")[0])
    return list(spec.submodule_search_locations or []) if spec is not None else []


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
