"""A lock that one process holds as long as it lives, and that names its holder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from filelock import FileLock, Timeout


class ProcessLock:
    """The files `<name>.lock` and `<name>.pid` in a folder; the kernel releases the lock of a process that ended."""

    def __init__(self, folder: Path, name: str) -> None:
        """`folder` exists."""
        self._lock = FileLock(folder / f"{name}.lock")
        self._holder = folder / f"{name}.pid"

    def acquire(self, seconds: float) -> bool:
        """Takes the lock for this process within the seconds (-1: however long it takes); says whether it could."""
        try:
            self._lock.acquire(timeout=seconds)
        except Timeout:
            return False
        # For messages alone: a disk that is full does not keep `hilir clean` from making room.
        with contextlib.suppress(OSError):
            self._holder.write_text(f"{os.getpid()}\n", encoding="utf-8")
        return True

    def release(self) -> None:
        """Lets others take it."""
        self._lock.release()

    @property
    def holder(self) -> str:
        """The process id of the latest holder, for a message."""
        found = self._holder.read_text(encoding="utf-8").strip() if self._holder.exists() else ""
        return found or "unknown"

    def is_held(self) -> bool:
        """Says whether a process holds the lock."""
        try:
            with self._lock.acquire(timeout=0):
                return False
        except Timeout:
            return True
