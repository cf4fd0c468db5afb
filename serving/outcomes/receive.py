"""Answers a request that brings outcomes, whatever protocol it came by."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from hilir.serving.outcomes.records import OutcomeRefused, parse_batch
from hilir.serving.outcomes.store import OutcomeStore, StoreFailed

PATH = "/v1/outcomes"
MAX_BYTES = 8 << 20


def receive(store: OutcomeStore, body: bytes, clock: Callable[[], float] = time.time) -> tuple[int, bytes]:
    """Stores a batch; returns the HTTP status and the answer, a JSON object.

    200 with `accepted`, `new`, `replaced` and `unchanged`; 400 where the batch is wrong, and 503 where the database
    fails: nothing of the batch is stored then, and it may be sent again.
    """
    if len(body) > MAX_BYTES:
        return 413, _error(f"{len(body):,} bytes; send at most {MAX_BYTES:,} in one batch")
    try:
        batch = parse_batch(body, clock())
        written = store.write(batch)
    except OutcomeRefused as error:
        return 400, _error(str(error))
    except StoreFailed as error:
        return 503, _error(str(error))
    answer = {
        "accepted": len(batch), "new": written.new, "replaced": written.replaced, "unchanged": written.unchanged
    }  # fmt: skip
    return 200, json.dumps(answer).encode() + b"\n"


def _error(message: str) -> bytes:
    return json.dumps({"error": message}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
