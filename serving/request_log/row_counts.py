"""How many rows each logged request had, which tells outcomes of rows that it did not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from hilir.serving.errors import ServingConfigError
from hilir.serving.outcomes.access_log import GOLDEN_IDS
from hilir.serving.request_log.record_files import find_files, read_records


def read_rows(prefixes: Sequence[str], model: str) -> dict[tuple[str, str], int | None]:
    """Returns rows by request id and version; None where redaction or size hides how many there were.

    Args:
        prefixes: as `--request-log PREFIX` had them; rotated files count too.
        model: its name.

    Raises:
        ServingConfigError: there is no such log.
    """
    rows: dict[tuple[str, str], int | None] = {}
    for prefix in prefixes:
        for line in _read_lines(prefix):
            try:
                entry = orjson.loads(line)
                if entry["model"] == model and not entry["request_id"].startswith(GOLDEN_IDS):
                    rows[entry["request_id"], str(entry["version"])] = _count_rows(entry)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    return rows


def _read_lines(prefix: str) -> Iterator[bytes]:
    if not Path(f"{prefix}.jsonl").is_file():
        raise ServingConfigError(f"{prefix}.jsonl: there is no such request log; give PREFIX of 'hilir serve'")
    try:
        for file in find_files(prefix):
            for record in read_records(file, 0):
                yield record.data or b""
    except OSError as error:
        place = error.filename or prefix
        raise ServingConfigError(f"{place}: cannot be read ({error.strerror}); check the path") from None


def _count_rows(entry: dict[str, Any]) -> int | None:
    inputs = entry["inputs"]
    if isinstance(inputs, list):
        return len(inputs)
    for values in (*entry["outputs"].values(), *inputs.values()):
        if isinstance(values, list):
            return len(values)
        if isinstance(values, dict) and values.get("shape"):
            return int(values["shape"][0])
    return None
