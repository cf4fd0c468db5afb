"""A pipe that tests write to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_pipe(path: Path) -> Iterator[Callable[[], bytes]]:
    """Makes a pipe; yields what reads from it. At the end it has to be a pipe still, alone in its folder."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield lambda: os.read(reader, 100)
    finally:
        os.close(reader)
    assert path.is_fifo()
    assert os.listdir(path.parent) == [path.name]
