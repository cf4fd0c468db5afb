"""What emulated runs leave behind: artifacts and executions, in SQLite, for caching and resolvers of later runs."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS artifacts (
  id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, context TEXT NOT NULL, title TEXT NOT NULL,
  schema TEXT NOT NULL, uri TEXT NOT NULL, metadata TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS executions (
  id INTEGER PRIMARY KEY, run TEXT NOT NULL, context TEXT NOT NULL, task TEXT NOT NULL, state TEXT NOT NULL,
  cache_key TEXT, artifacts TEXT NOT NULL, parameters TEXT NOT NULL, began REAL NOT NULL, ended REAL NOT NULL);
CREATE INDEX IF NOT EXISTS executions_by_key ON executions (cache_key);
"""


@dataclass(frozen=True)
class Artifact:
    """An artifact as Vertex AI's metadata has it; `schema` is its ArtifactTypeSchema as JSON values."""

    name: str
    title: str
    schema: Mapping[str, str]
    uri: str
    metadata: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Returns it as RuntimeArtifact."""
        return {"name": self.name, "uri": self.uri, "type": dict(self.schema), "metadata": dict(self.metadata)}


@dataclass(frozen=True)
class Outputs:
    """What a task made."""

    artifacts: Mapping[str, Artifact]
    parameters: Mapping[str, Any]


NOTHING = Outputs({}, {})


class Store:
    """All that was ever made in one working folder; safe for threads and for several processes."""

    def __init__(self, path: Path) -> None:
        """Opens the store, or makes a new one."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_TABLES)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=60)
        connection.row_factory = sqlite3.Row
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def record(
        self,
        run: str,
        context: str,
        task: str,
        state: str,
        outputs: Outputs,
        began: float,
        cache_key: str | None = None,
    ) -> None:
        """Writes an execution and its artifacts, in one transaction."""
        names = {key: artifact.name for key, artifact in outputs.artifacts.items()}
        now = time.time()
        with self._open() as connection:
            for artifact in outputs.artifacts.values():
                connection.execute(
                    "INSERT OR IGNORE INTO artifacts (name, context, title, schema, uri, metadata, state, created) "
                    "VALUES (?, ?, ?, ?, ?, ?, 'LIVE', ?)",
                    (
                        artifact.name, context, artifact.title, json.dumps(dict(artifact.schema)), artifact.uri,
                        json.dumps(dict(artifact.metadata)), now,
                    ),
                )  # fmt: skip
            connection.execute(
                "INSERT INTO executions (run, context, task, state, cache_key, artifacts, parameters, began, ended) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run, context, task, state, cache_key, json.dumps(names), json.dumps(dict(outputs.parameters)),
                    began, now,
                ),
            )  # fmt: skip

    def list_executions(self, run: str) -> list[tuple[str, str, Outputs, float, float]]:
        """Returns (task, state, what it made, began, ended) of a run's executions, in the order in which they ended.

        What a resolver found is nothing that it made.
        """
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM executions WHERE run = ? ORDER BY id", (run,)).fetchall()
            return [
                (
                    row["task"], row["state"],
                    Outputs(_named(connection, json.loads(row["artifacts"])), json.loads(row["parameters"])),
                    row["began"], row["ended"],
                )
                for row in rows
            ]  # fmt: skip

    def list_artifacts(self, context: str | None, title: str) -> list[Artifact]:
        """Returns the live artifacts of a type in a pipeline's context (None: in any), the newest first."""
        query = "SELECT * FROM artifacts WHERE state = 'LIVE' AND title = ? AND (? IS NULL OR context = ?)"
        with self._open() as connection:
            rows = connection.execute(f"{query} ORDER BY created DESC, id DESC", (title, context, context)).fetchall()
        return [_artifact(row) for row in rows]

    def find_cached(self, cache_key: str) -> Outputs | None:
        """Returns what the latest successful execution with this key made, if all of it is still there."""
        with self._open() as connection:
            row = connection.execute(
                "SELECT artifacts, parameters FROM executions WHERE cache_key = ? AND state = 'done' "
                "ORDER BY id DESC LIMIT 1",
                (cache_key,),
            ).fetchone()
            if row is None:
                return None
            names = json.loads(row["artifacts"])
            artifacts = _named(connection, names)
        complete = len(artifacts) == len(names) and all(Path(artifact.uri).exists() for artifact in artifacts.values())
        return Outputs(artifacts, json.loads(row["parameters"])) if complete else None


def _named(connection: sqlite3.Connection, names: Mapping[str, str]) -> dict[str, Artifact]:
    """Returns the artifacts of these names by key; those that are gone are left out."""
    rows = {
        key: connection.execute("SELECT * FROM artifacts WHERE name = ?", (name,)).fetchone()
        for key, name in names.items()
    }
    return {key: _artifact(row) for key, row in rows.items() if row is not None}


def _artifact(row: sqlite3.Row) -> Artifact:
    return Artifact(row["name"], row["title"], json.loads(row["schema"]), row["uri"], json.loads(row["metadata"]))
