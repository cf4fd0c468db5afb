"""What `hilir watch` decided, per model."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.daemon.daemon_status import describe


def read_triggers(places: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Yields, per state, `model` and what `hilir watch status --json` prints; or `fault`, why it cannot be read."""
    for place in places:
        for folder in sorted(path.parent for path in place.glob("[!.]*/state.sqlite")):
            try:
                yield {"model": folder.name, "fault": "", **describe(State(folder))}
            except (ConfigError, OSError, ValueError, sqlite3.Error) as error:
                yield {"model": folder.name, "fault": str(error)}
