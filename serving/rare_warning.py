"""A warning about something that goes on happening: once a minute at most, with how often it happened meanwhile."""

from __future__ import annotations

import logging
import threading
import time

_SECONDS = 60.0


class RareWarning:
    """Logs the first of many like messages, and then one a minute; any thread may warn."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._unlogged, self._next = 0, 0.0

    def warn(self, message: str) -> None:
        """Log a message, unless one was logged less than a minute ago."""
        with self._lock:
            self._unlogged += 1
            if time.monotonic() < self._next:
                return
            others = f" ({self._unlogged - 1} more since the last warning)" if self._unlogged > 1 else ""
            self._unlogged, self._next = 0, time.monotonic() + _SECONDS
        self._logger.warning("%s%s", message, others)
