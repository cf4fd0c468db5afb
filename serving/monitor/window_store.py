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
from hilir.serving.monitor.window import FeatureResult, WindowResult
from hilir.serving.monitor.window_quality import NUMBER, MetricResult, Prediction

FILE = "monitor.sqlite"
_LOCK = ".monitor.lock"
_OPEN = 0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS position (key TEXT PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS open_window (version INTEGER PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS window (
    id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
    rows INTEGER NOT NULL, level INTEGER NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS window_last ON window (last);
CREATE TABLE IF NOT EXISTS prediction (
    request TEXT NOT NULL, row_number INTEGER NOT NULL, version INTEGER NOT NULL, window_id INTEGER NOT NULL,
    time REAL NOT NULL, score REAL NOT NULL, class TEXT NOT NULL, label INTEGER,
    PRIMARY KEY (request, row_number, version)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS prediction_window ON prediction (window_id, version);
CREATE TABLE IF NOT EXISTS to_measure (window_id INTEGER PRIMARY KEY);
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
        closed: version, result and predictions since the last step, the oldest window first.
        predictions: those of open windows, by version.
        totals: values to add by name: rows, unreadable, other_models.
    """

    positions: Mapping[str, int]
    gone: Sequence[str]
    open_windows: Mapping[int, Mapping[str, Any] | None]
    closed: Sequence[tuple[int, WindowResult, Sequence[Prediction]]]
    predictions: Mapping[int, Sequence[Prediction]]
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
            # Values and ids of requests are for the owner only.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
            return dict(connection.execute("SELECT key, at FROM position ORDER BY rowid").fetchall())

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
            for version, result, predictions in step.closed:
                added = connection.execute(
                    "INSERT INTO window (version, first, last, rows, level, content) VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        version, result.first, result.last, result.rows, Level[result.level.upper()],
                        json.dumps(asdict(result)),
                    ),
                )  # fmt: skip
                _add_predictions(connection, version, added.lastrowid or 0, predictions)
                connection.execute("INSERT INTO to_measure VALUES (?)", (added.lastrowid,))
                connection.execute(
                    "UPDATE prediction SET window_id = ? WHERE window_id = ? AND version = ?",
                    (added.lastrowid, _OPEN, version),
                )
            for version, predictions in step.predictions.items():
                _add_predictions(connection, version, _OPEN, predictions)
            if step.closed:
                connection.execute("DELETE FROM window WHERE id <= (SELECT MAX(id) FROM window) - ?", (keep,))
            for name, value in step.totals.items():
                connection.execute(
                    "INSERT INTO total VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                    (name, value),
                )
            connection.execute("REPLACE INTO total VALUES ('at', ?)", (now,))

    def add_labels(self, outcomes: Sequence[tuple[str, int, str, float | None]], received: float, oldest: float) -> int:
        """Notes what became of predictions; returns how many of the outcomes belong to one.

        Args:
            outcomes: id of the request, row, the class that was observed, and the number, if it is one.
            received: when the newest of them arrived, in seconds since 1970.
            oldest: predictions of before this time are forgotten.
        """
        update = (
            "UPDATE prediction SET label = CASE class WHEN ? THEN ? ELSE class = ? END "
            "WHERE request = ? AND row_number = ? RETURNING window_id"
        )
        known = 0
        with self._open() as connection, connection:
            for request, row, found, number in outcomes:
                windows = connection.execute(update, (NUMBER, number, found, request, row)).fetchall()
                known += bool(windows)
                connection.executemany("INSERT OR IGNORE INTO to_measure VALUES (?)", windows)
            connection.execute("DELETE FROM prediction WHERE time < ?", (oldest,))
            connection.execute("REPLACE INTO total VALUES ('outcomes_received', ?)", (received,))
        return known

    def to_measure(self) -> list[int]:
        """Returns the closed windows whose outcomes have changed."""
        with self._open() as connection:
            rows = connection.execute("SELECT window_id FROM to_measure WHERE window_id != ?", (_OPEN,)).fetchall()
        return [window for (window,) in rows]

    def labelled(self, window: int) -> list[tuple[float, float]]:
        """Returns scores and labels of a window's predictions that have an outcome."""
        query = "SELECT score, label FROM prediction WHERE window_id = ? AND label IS NOT NULL"
        with self._open() as connection:
            return connection.execute(query, (window,)).fetchall()

    def replace(self, number: int, result: WindowResult | None) -> None:
        """Replaces what a closed window shows, if anything; it is measured."""
        with self._open() as connection, connection:
            if result is not None:
                content = json.dumps(asdict(result))
                connection.execute("UPDATE window SET content = ? WHERE id = ?", (content, number))
            connection.execute("DELETE FROM to_measure WHERE window_id = ?", (number,))

    def find(self, window: int) -> StoredWindow | None:
        """Returns a closed window by its number, None if it is not kept any more."""
        with self._open() as connection:
            row = connection.execute("SELECT version, content FROM window WHERE id = ?", (window,)).fetchone()
        return None if row is None else StoredWindow(window, row[0], _decode(row[1]))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.folder / FILE, timeout=30)) as connection:
            yield connection


def _add_predictions(
    connection: sqlite3.Connection, version: int, window: int, predictions: Sequence[Prediction]
) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO prediction (request, row_number, version, window_id, time, score, class) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(each.request, each.row, version, window, each.time, each.score, each.name) for each in predictions],
    )


def has_state(folder: Path) -> bool:
    """Returns whether a monitor has ever run with this folder."""
    return (folder / FILE).is_file()


def _decode(content: str) -> WindowResult:
    values = json.loads(content)
    features = [FeatureResult(**each) for each in values.pop("features")]
    quality = [MetricResult(**each) for each in values.pop("quality", [])]
    return WindowResult(features=features, quality=quality, **values)
