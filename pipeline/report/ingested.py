"""What the ingest noted of its data: the type of each column and why, and what its user may not expect."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from hilir.analysis.text import show_unprintable
from hilir.pipeline.report.run_records import ArtifactRecord

_FILE = "ingest.json"
# How many columns are listed.
_COLUMNS = 100


def read_notes(outputs: Mapping[str, ArtifactRecord]) -> list[str]:
    """Returns the notes on the examples of a run; none where another step made them."""
    return [show_unprintable(note) for note in _read(outputs.get("examples")).get("notes", [])]


def write_details(outputs: Mapping[str, ArtifactRecord]) -> Iterator[str]:
    """Yields a line for each column of the examples, with its type and the reason, and one for each note."""
    examples = outputs.get("examples")
    columns = _read(examples).get("columns", {})
    width = max((min(len(show_unprintable(name)), 32) for name in columns), default=0)
    for name, found in list(columns.items())[:_COLUMNS]:
        yield f"{show_unprintable(name):<{width}}  {found['kind'] or '-':<6}  {show_unprintable(found['why'])}"
    if examples is not None and len(columns) > _COLUMNS:
        yield f"and {len(columns) - _COLUMNS:,} more columns, in {os.path.join(examples.uri, _FILE)}"
    yield from (f"note: {note}" for note in read_notes(outputs))


def _read(examples: ArtifactRecord | None) -> dict[str, Any]:
    if examples is None or "://" in examples.uri:
        return {}
    try:
        with open(os.path.join(examples.uri, _FILE), encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if _is_ingest(found) else {}


def _is_ingest(found: Any) -> bool:
    """Returns whether what is read of it is of the right type."""
    if not isinstance(found, dict):
        return False
    columns, notes = found.get("columns", {}), found.get("notes", [])
    if not isinstance(columns, dict) or not isinstance(notes, list):
        return False
    if not all(isinstance(each, dict) for each in columns.values()):
        return False
    texts = [each.get(name) for each in columns.values() for name in ("kind", "why")]
    return all(isinstance(part, str | None) for part in texts) and all(isinstance(note, str) for note in notes)
