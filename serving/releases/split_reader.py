"""A model's split as a gateway tells it, for clients that choose labels themselves."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3


@dataclass(frozen=True)
class Split:
    """How a model's traffic is shared; the salt goes into the hash of user keys."""

    salt: str
    candidate_percent: float


class SplitReader:
    """Asks a gateway how traffic is split, at most every `seconds`; keeps the last answer while it is silent."""

    def __init__(self, gateway: str, headers: Mapping[str, str] | None = None, seconds: float = 1.0) -> None:
        self._gateway = gateway.rstrip("/")
        self._pool = urllib3.PoolManager(headers=dict(headers or {}), timeout=2.0, retries=False)
        self._seconds = seconds
        self._known: dict[str, tuple[float, Split]] = {}
        self._lock = threading.Lock()

    def __call__(self, model: str) -> Split:
        """Returns the split of a model; of one that the gateway does not know, everything to stable."""
        with self._lock:
            read_at, split = self._known.get(model, (-1e9, Split("", 0.0)))
            if time.monotonic() - read_at >= self._seconds:
                split = self._read(model) or split
                self._known[model] = (time.monotonic(), split)
            return split

    def _read(self, model: str) -> Split | None:
        try:
            response = self._pool.request("GET", f"{self._gateway}/hilir/releases/{model}")
            document = json.loads(response.data) if response.status == 200 else {}
            return Split(document["salt"], float(document["candidate_percent"]))
        except (urllib3.exceptions.HTTPError, ValueError, KeyError):
            return None
