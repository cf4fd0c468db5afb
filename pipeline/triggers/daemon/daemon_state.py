"""The daemon's memory: one SQLite file, each change one durable transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.triggers.sources.payload import Payload

_VERSION = 2
_BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'active', 'succeeded', 'failed')),
  made REAL NOT NULL,
  due REAL NOT NULL,
  note TEXT NOT NULL DEFAULT ''
);
CREATE TABLE firing (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  at REAL NOT NULL,
  payload TEXT NOT NULL,
  run INTEGER REFERENCES run (id),
  decision TEXT NOT NULL
);
CREATE TABLE attempt (
  run INTEGER NOT NULL REFERENCES run (id),
  number INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('starting', 'running', 'succeeded', 'failed', 'lost')),
  began REAL NOT NULL,
  ended REAL,
  pid INTEGER,
  code INTEGER,
  result TEXT,
  PRIMARY KEY (run, number)
);
CREATE UNIQUE INDEX one_run_at_a_time ON attempt ((1)) WHERE state IN ('starting', 'running');
CREATE TABLE memory (
  name TEXT PRIMARY KEY,
  memory TEXT NOT NULL,
  looked REAL NOT NULL,
  note TEXT NOT NULL,
  hold TEXT
);
CREATE TABLE call (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  at REAL NOT NULL,
  payload TEXT NOT NULL
);
CREATE TABLE decision (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,
  text TEXT NOT NULL
);
CREATE TABLE watcher (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  pid INTEGER NOT NULL,
  began REAL NOT NULL,
  beat REAL NOT NULL,
  address TEXT
);
"""


# What each version of the state adds to the one before.
_ADDITIONS = {
    2: """
CREATE TABLE pushed (
  run INTEGER PRIMARY KEY REFERENCES run (id),
  version INTEGER NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  due REAL
);
"""
}


@dataclass(frozen=True)
class Call:
    """A request that came over HTTP."""

    id: int
    key: str
    payload: Payload


@dataclass(frozen=True)
class Memory:
    """What a trigger remembers and last reported; `looked` in seconds since 1970."""

    values: Mapping[str, Any]
    looked: float
    note: str
    hold: str | None


class State:
    """The state of one model's watcher. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        """Opens the state in `folder`, or makes it.

        Raises:
            ConfigError: it was written by a newer hilir, or cannot be opened.
        """
        self.folder = folder
        self._path = folder / "state.sqlite"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{self._path}: cannot be opened ({error}); fix watch.state or the file") from None

    def _make(self) -> None:
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with self.change() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise ConfigError(f"{self._path}: was written by a newer hilir; use that one, or another watch.state")
            if version < _VERSION:
                scripts = [_SCHEMA] if version < 1 else []
                scripts += [script for number, script in _ADDITIONS.items() if version < number]
                for statement in filter(str.strip, ";".join(scripts).split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        # A transaction that was reported as done survives the loss of power, too.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction that may write; nothing of it is there if the block raises or the process dies."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def view(self) -> Iterator[sqlite3.Connection]:
        """One consistent view for reading."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN")
            yield connection

    def read_memory(self, name: str) -> Memory | None:
        """Returns what the trigger of that name remembers, None before its first look."""
        with self.view() as connection:
            row = connection.execute("SELECT * FROM memory WHERE name = ?", (name,)).fetchone()
        return None if row is None else Memory(json.loads(row["memory"]), row["looked"], row["note"], row["hold"])

    def add_call(self, key: str, payload: Payload, now: float) -> bool:
        """Writes a call down; returns False where one of that key is there already."""
        with self.change() as connection:
            done = connection.execute(
                "INSERT INTO call (key, at, payload) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (key, now, json.dumps(payload.as_dict())),
            )
            return done.rowcount == 1

    def list_calls(self, after: int) -> list[Call]:
        """Returns the calls with an id above `after`."""
        with self.view() as connection:
            rows = connection.execute("SELECT * FROM call WHERE id > ? ORDER BY id", (after,)).fetchall()
        return [Call(row["id"], row["key"], Payload.from_dict(json.loads(row["payload"]))) for row in rows]

    def beat(self, pid: int, began: float, now: float, address: str | None) -> None:
        """Notes that the daemon of that process is at work."""
        with self.change() as connection:
            connection.execute(
                "INSERT INTO watcher (one, pid, began, beat, address) VALUES (1, ?, ?, ?, ?) "
                "ON CONFLICT (one) DO UPDATE SET pid = excluded.pid, began = excluded.began, beat = excluded.beat, "
                "address = excluded.address",
                (pid, began, now, address),
            )


def note_decision(connection: sqlite3.Connection, now: float, text: str) -> None:
    """Adds a line to what was decided; the oldest of many lines are forgotten."""
    connection.execute("INSERT INTO decision (at, text) VALUES (?, ?)", (now, text))
    connection.execute("DELETE FROM decision WHERE id <= (SELECT max(id) FROM decision) - 2000")
