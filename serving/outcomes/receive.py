"""Answers a request that brings outcomes, whatever protocol it came by."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from hilir.serving.outcomes.outcome_records import OutcomeRefused, parse_batch
from hilir.serving.outcomes.outcome_store import OutcomeStore, StoreFailed, Written
from hilir.serving.rare_warning import RareWarning

_NOT_STORED = RareWarning(logging.getLogger(__name__))
PATH = "/v1/outcomes"
MAX_BYTES = 8 << 20


@dataclass(frozen=True)
class Received:
    """What became of a batch: the HTTP status, the answer, a JSON object, and what changed; None where nothing may."""

    status: int
    answer: bytes
    written: Written | None = None


def receive(store: OutcomeStore, body: bytes, clock: Callable[[], float] = time.time) -> Received:
    """Stores a batch.

    200 with `accepted`, `new`, `replaced` and `unchanged`; 400 where the batch is wrong, and 503 where the database
    fails: nothing of the batch is stored then, and it may be sent again.
    """
    if len(body) > MAX_BYTES:
        return Received(413, _error(f"{len(body):,} bytes; send at most {MAX_BYTES:,} in one batch"))
    try:
        batch = parse_batch(body, clock())
        written = store.write(batch)
    except OutcomeRefused as error:
        return Received(400, _error(str(error)))
    except StoreFailed as error:
        # Where the database is concerns nobody who sends outcomes.
        _NOT_STORED.warn(f"a batch of outcomes was not stored: {error}")
        return Received(503, _error("outcomes cannot be stored at the moment; send the batch again later"))
    answer = {"accepted": len(batch)} | asdict(written)
    return Received(200, json.dumps(answer).encode() + b"\n", written)


def _error(message: str) -> bytes:
    return json.dumps({"error": message}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
