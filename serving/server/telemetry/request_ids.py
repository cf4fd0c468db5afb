"""The id of a request: the caller's own if it is a proper one, else a new one; the only place that makes ids."""

from __future__ import annotations

import itertools
import re
import secrets

HEADER = "x-request-id"
HTTP_HEADER = "X-Request-Id"
_PROPER = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestIds:
    """Chooses ids; new ones are unique across servers and restarts."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count()

    def choose(self, given: bytes | None) -> str:
        """The id of a request whose caller sent `given`."""
        if given is not None and _PROPER.fullmatch(given):
            return given.decode("ascii")
        return f"{self._prefix}-{next(self._numbers):x}"
