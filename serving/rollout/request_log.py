"""Predictions of a time in the servers' request logs: JSON lines, the newest file and those that were rotated away."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The first entry of a line, so that lines of other times need not be parsed.
_TIME = b'{"time":'
REDACTED = "REDACTED"


@dataclass(frozen=True)
class Logged:
    """A prediction.

    Attributes:
        request_id: copies of a request have the id of the original.
        version: which one answered.
        signature: of the model.
        outputs: nested lists by name, one entry per row.
    """

    request_id: str
    version: int
    signature: str
    outputs: dict[str, Any]


def read_predictions(prefixes: Sequence[str], model: str, since: float) -> Iterator[Logged]:
    """Yields the predictions of a model since a moment (seconds of the epoch), file after file.

    A last line that a crash left torn is passed over, and so is a file that a rotation removes in the meantime.
    """
    for prefix in prefixes:
        path = Path(f"{prefix}.jsonl")
        for file in [*sorted(path.parent.glob(f"{path.stem}-[0-9]*.jsonl")), path]:
            yield from _read_file(file, model, since)


def _read_file(path: Path, model: str, since: float) -> Iterator[Logged]:
    try:
        if path.stat().st_mtime < since:
            return
        with path.open("rb") as file:
            for line in file:
                if not _is_recent(line, since) or not line.endswith(b"\n"):
                    continue
                found = _parse(line)
                if found is not None and found.get("model") == model and isinstance(found.get("outputs"), dict):
                    yield Logged(
                        str(found["request_id"]), int(found["version"]), str(found["signature"]), found["outputs"]
                    )
    except FileNotFoundError:
        return


def _is_recent(line: bytes, since: float) -> bool:
    if not line.startswith(_TIME):
        return False
    try:
        return float(line[len(_TIME) : line.find(b",")]) >= since
    except ValueError:
        return False


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"request_id", "version", "signature"} <= found.keys() else None
