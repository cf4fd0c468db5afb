"""Outcomes in SQLite, or in PostgreSQL for several servers: one table, and one statement that writes a batch."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilir.serving.errors import ServingError
from hilir.serving.outcomes.outcome_records import Outcome, keep_last

_COLUMNS = "request, row_number, user_key, name, event, number, class, time, dated, received, writes"
_TABLE = """
CREATE TABLE IF NOT EXISTS hilir_outcomes (
  request TEXT NOT NULL, row_number INTEGER NOT NULL, user_key TEXT NOT NULL, name TEXT NOT NULL, event TEXT NOT NULL,
  number DOUBLE PRECISION, class TEXT, time DOUBLE PRECISION NOT NULL, dated INTEGER NOT NULL,
  received DOUBLE PRECISION NOT NULL, writes INTEGER NOT NULL,
  PRIMARY KEY (request, row_number, user_key, name, event))
"""
_ROW = "(%s, %s, %s, %s, %s, CAST(%s AS DOUBLE PRECISION), CAST(%s AS TEXT), %s, %s, %s, %s)"
# A value that is there already changes nothing, so that a batch may be sent again.
_INSERT = f"INSERT INTO hilir_outcomes AS old ({_COLUMNS}) VALUES "  # noqa: S608 - names of ours
_OR_UPDATE = """
ON CONFLICT (request, row_number, user_key, name, event) DO UPDATE SET
  number = excluded.number, class = excluded.class, time = excluded.time, dated = excluded.dated,
  received = excluded.received, writes = old.writes + excluded.writes
WHERE old.number IS DISTINCT FROM excluded.number OR old.class IS DISTINCT FROM excluded.class
  OR (excluded.dated = 1 AND old.time <> excluded.time)
RETURNING request, row_number, user_key, name, event, writes
"""
# Both databases take so many parameters in one statement.
_ROWS = 500


class StoreFailed(ServingError):
    """The outcomes' database does not answer, or cannot be written to; the same batch may be sent again."""


@dataclass(frozen=True)
class Written:
    """What a batch changed.

    Attributes:
        new: outcomes that were not known.
        replaced: values that gave way to a later one.
        unchanged: outcomes that were known with the same value.
    """

    new: int
    replaced: int
    unchanged: int


@dataclass(frozen=True)
class Backend:
    """A database.

    Attributes:
        place: what messages call it, without a password.
        connect: opens a connection (PEP 249).
        errors: what its driver raises.
        mark: how it writes a parameter.
    """

    place: str
    connect: Callable[[], Any]
    errors: tuple[type[Exception], ...]
    mark: str


class OutcomeStore:
    """The outcomes; may be used by several threads, one at a time.

    Raises:
        StoreFailed: the database does not answer, or is none.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._connection: Any = None
        with self._cursor() as cursor:
            cursor.execute(_TABLE)

    @property
    def place(self) -> str:
        """Where the outcomes are, without a password."""
        return self._backend.place

    def write(self, outcomes: Sequence[Outcome]) -> Written:
        """Stores a batch, as a whole or not at all; of the same outcome the last value counts.

        Raises:
            StoreFailed: nothing was stored.
        """
        # Servers that write the same outcomes at the same time must not wait for each other in a circle.
        kept = sorted(keep_last(list(outcomes)), key=lambda each: each.key)
        new = replaced = 0
        with self._cursor() as cursor:
            for first in range(0, len(kept), _ROWS):
                part = kept[first : first + _ROWS]
                values = [value for each in part for value in _to_row(each)]
                rows = ", ".join([_ROW] * len(part))
                cursor.execute(self._written(_INSERT + rows + _OR_UPDATE), values)
                sent = {each.key: each.writes for each in part}
                for *key, writes in cursor.fetchall():
                    new += writes == sent[tuple(key)]
                    replaced += writes != sent[tuple(key)]
        replaced += sum(each.writes - 1 for each in kept)
        return Written(new, replaced, len(outcomes) - new - replaced)

    def read(self, names: Sequence[str] | None = None, received: float = 0.0) -> list[Outcome]:
        """Returns the outcomes with these names, or all, by the time at which they happened.

        Args:
            names: what was observed.
            received: only those that arrived then or later, in seconds since 1970.

        Raises:
            StoreFailed: the database does not answer.
        """
        where = " WHERE received >= %s" + (f" AND name IN ({', '.join(['%s'] * len(names))})" if names else "")
        if names is not None and not names:
            return []
        query = f"SELECT {_COLUMNS} FROM hilir_outcomes{where} ORDER BY time, request, row_number, user_key, event"  # noqa: S608
        with self._cursor() as cursor:
            cursor.execute(self._written(query), [received, *(names or ())])
            return [_from_row(row) for row in cursor.fetchall()]

    def ping(self) -> None:
        """Makes sure that the database answers.

        Raises:
            StoreFailed: it does not.
        """
        with self._cursor() as cursor:
            cursor.execute("SELECT 1")

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self._drop()

    def _written(self, statement: str) -> str:
        return statement.replace("%s", self._backend.mark)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """Gives a cursor in a transaction; a connection that is broken is replaced the next time."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._backend.connect()
                yield self._connection.cursor()
                self._connection.commit()
            except self._backend.errors as error:
                self._drop()
                raise StoreFailed(f"{self.place}: {_describe(error, self.place)}") from None

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(*self._backend.errors):
                self._connection.close()
        self._connection = None


def _to_row(each: Outcome) -> tuple[Any, ...]:
    text = each.value if isinstance(each.value, str) else None
    number = None if isinstance(each.value, str) else each.value
    return (*each.key, number, text, each.time, int(each.dated), each.received, each.writes)


def _from_row(row: Sequence[Any]) -> Outcome:
    request, number, user, name, event, value, text, time, dated, received, writes = row
    return Outcome(
        request, number, user, name, event, text if value is None else value, time, bool(dated), received, writes
    )


def _describe(error: Exception, place: str) -> str:
    """PostgreSQL's errors are fields by letter, M is the message; why there is no connection is their cause."""
    if isinstance(error, sqlite3.Error) and "disk is full" in str(error):
        free = shutil.disk_usage(Path(place).parent).free
        return f"no space is left to write outcomes to ({free >> 20} MB free); make room and try again"
    first = error.args[0] if error.args else ""
    why = str(first.get("M", first)) if isinstance(first, dict) else str(error)
    if isinstance(error.__cause__, OSError):
        why = str(error.__cause__.strerror or error.__cause__)
    return f"the outcomes' database fails ({why})"
