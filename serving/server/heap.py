"""Freed memory goes back to the system, which glibc does by itself only for the end of a heap."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import time
from pathlib import Path

_PAUSE = 1.0


def return_memory() -> None:
    """Collects what is in cycles, and gives everything back; for what is rare, such as an unload."""
    gc.collect()
    _trim()


class Returner:
    """Gives memory back beside the requests, in a thread of its own, at most once a second."""

    def __init__(self) -> None:
        self._busy = threading.Lock()

    def ask(self) -> bool:
        """Memory was freed: give it back soon. Returns False while that is under way already; ask again then."""
        if not self._busy.acquire(blocking=False):
            return False
        threading.Thread(target=self._work, name="return-memory", daemon=True).start()
        return True

    def _work(self) -> None:
        try:
            time.sleep(_PAUSE)
            _trim()
        finally:
            self._busy.release()


def _trim() -> None:
    if Path("/proc/self/statm").exists():
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
