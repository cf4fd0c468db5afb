"""What a monitor knows, in SQLite: how far it has read, open windows, closed windows. One transaction a step."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hilir.analysis.drift import Level
from hilir.serving.errors import ServingConfigError
from hilir.serving.monitor.quality import MetricResult
from hilir.serving.monitor.window import FeatureResult, WindowResult

FILE = "monitor.sqlite"
_LOCK = ".monitor.lock"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS position (key TEXT PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS open_window (version INTEGER PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS window (
    id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    rows INTEGER NOT NULL, level INTEGER NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS window_last ON window (last);
CREATE TABLE IF NOT EXISTS total (name TEXT PRIMARY KEY, value REAL NOT NULL);
"""


@dataclass(frozen=True)
class StoredWindow:
    """A closed window with its number, which grows, and the version that answered."""

    id: int
    version: int
    result: WindowResult


@dataclass
class Step:
    """What one step changes.

    Attributes:
        positions: how far each file is read.
        gone: keys of files that are gone.
        open_windows: states by version; None for a version without an open window.
        closed: version and result, the oldest first.
        totals: values to add by name: rows, unreadable, other_models.
    """

    positions: Mapping[str, int]
    gone: Sequence[str]
    open_windows: Mapping[int, Mapping[str, Any] | None]
    closed: Sequence[tuple[int, WindowResult]]
    totals: Mapping[str, float]


class MonitorStore:
    """The state of one model's monitor."""

    def __init__(self, folder: Path) -> None:
        """Opens the state in a folder, which is made if it does not exist.

        Raises:
            ServingConfigError: it cannot be.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._open() as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ServingConfigError(
                f"{folder}: the monitor's state cannot be opened ({error}); "
                "make it writable, or set monitor.state to another folder"
            ) from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Makes sure that one monitor at a time writes here.

        Raises:
            ServingConfigError: there is another one.
        """
        lock = FileLock(self.folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ServingConfigError(
                f"{self.folder}: another 'hilir monitor run' reads this model's log; stop it first"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def positions(self) -> dict[str, int]:
        """Returns how far each file is read."""
        with self._open() as connection:
            return dict(connection.execute("SELECT key, at FROM position").fetchall())

    def open_windows(self) -> dict[int, dict[str, Any]]:
        """Returns the states of open windows by version."""
        with self._open() as connection:
            rows = connection.execute("SELECT version, state FROM open_window").fetchall()
        return {version: json.loads(state) for version, state in rows}

    def totals(self) -> dict[str, float]:
        """Returns what was counted over all steps, and `at`, when the last step was."""
        with self._open() as connection:
            return dict(connection.execute("SELECT name, value FROM total").fetchall())

    def windows(self, since: float = 0.0, after: int = 0, limit: int = 10_000) -> list[StoredWindow]:
        """Returns the newest closed windows, the oldest of them first.

        Args:
            since: seconds since 1970 of their last request.
            after: only those with a greater number.
            limit: at most so many.
        """
        with self._open() as connection:
            rows = connection.execute(
                "SELECT id, version, content FROM window WHERE last >= ? AND id > ? ORDER BY id DESC LIMIT ?",
                (since, after, limit),
            ).fetchall()
        return [StoredWindow(number, version, _decode(content)) for number, version, content in reversed(rows)]

    def latest(self) -> list[StoredWindow]:
        """Returns the newest window of each version."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT id, version, content FROM window WHERE id IN (SELECT MAX(id) FROM window GROUP BY version)"
            ).fetchall()
        return [StoredWindow(number, version, _decode(content)) for number, version, content in rows]

    def write(self, step: Step, now: float, keep: int) -> None:
        """Writes all that a step changed, or nothing of it; only the newest `keep` windows stay."""
        with self._open() as connection, connection:
            connection.executemany("REPLACE INTO position VALUES (?, ?)", step.positions.items())
            connection.executemany("DELETE FROM position WHERE key = ?", [(key,) for key in step.gone])
            for version, state in step.open_windows.items():
                if state is None:
                    connection.execute("DELETE FROM open_window WHERE version = ?", (version,))
                else:
                    connection.execute("REPLACE INTO open_window VALUES (?, ?)", (version, json.dumps(state)))
            for version, result in step.closed:
                connection.execute(
                    "INSERT INTO window (version, first, last, rows, level, content) VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        version, result.first, result.last, result.rows, Level[result.level.upper()],
                        json.dumps(asdict(result)),
                    ),
                )  # fmt: skip
            if step.closed:
                connection.execute("DELETE FROM window WHERE id <= (SELECT MAX(id) FROM window) - ?", (keep,))
            for name, value in step.totals.items():
                connection.execute(
                    "INSERT INTO total VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                    (name, value),
                )
            connection.execute("REPLACE INTO total VALUES ('at', ?)", (now,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.folder / FILE, timeout=30)) as connection:
            yield connection


def has_state(folder: Path) -> bool:
    """Returns whether a monitor has ever run with this folder."""
    return (folder / FILE).is_file()


def _decode(content: str) -> WindowResult:
    values = json.loads(content)
    features = [FeatureResult(**each) for each in values.pop("features")]
    quality = [MetricResult(**each) for each in values.pop("quality", [])]
    return WindowResult(features=features, quality=quality, **values)
