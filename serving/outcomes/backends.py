"""Where outcomes are stored: a SQLite file, or a PostgreSQL database by its URL."""

from __future__ import annotations

import os
import sqlite3
import ssl
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from hilir.serving.errors import ServingConfigError
from hilir.serving.outcomes.outcome_store import Backend, OutcomeStore

DEFAULT_PLACE = "out/outcomes.sqlite"
_SCHEMES = ("postgresql", "postgres")
_BUSY_SECONDS = 30.0
_CONNECT_SECONDS = 10
_TLS = {"disable": False, "require": True, "verify-full": True}


def open_store(place: str, replicas: int = 1, *, new: bool = True) -> OutcomeStore:
    """Opens the outcomes at a path or a URL.

    Args:
        place: a file, or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; `?sslmode=require` or `verify-full` for
            TLS, `?host=FOLDER` for a UNIX socket. PGPASSWORD gives a password that the URL does not have.
        replicas: how many servers write to them.
        new: make the file if it is not there; a reader does not.

    Raises:
        ServingConfigError: this is no place for outcomes, or not one for so many servers; or there is no such file.
        StoreFailed: the database does not answer, or is none.
    """
    parts = urlsplit(place)
    if parts.scheme in _SCHEMES:
        return OutcomeStore(_postgres(parts))
    if "://" in place:
        raise ServingConfigError(f"{place}: give a file, or a URL like postgresql://user@host:5432/database")
    if replicas > 1:
        raise ServingConfigError(
            f"{place}: {replicas} replicas cannot share a SQLite file, and each would have a part of the outcomes; "
            "give a database to all of them, like postgresql://user@host:5432/database"
        )
    if not new and not Path(place).is_file():
        raise ServingConfigError(f"{place}: there are no outcomes; name their place with --outcomes")
    return OutcomeStore(_sqlite(Path(place)))


def _sqlite(path: Path) -> Backend:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What people did is for the owner only.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ServingConfigError(f"{path}: cannot be written to ({error.strerror}); name another file") from None
    return Backend(str(path), partial(_connect_sqlite, path), (sqlite3.Error,), "?")


def _connect_sqlite(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    # Readers do not wait for the writer.
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def _postgres(parts: SplitResult) -> Backend:
    import pg8000.dbapi

    query = parse_qs(parts.query)
    try:
        port = parts.port or 5432
    except ValueError:
        port = 0
    database = unquote(parts.path.lstrip("/"))
    place = f"{parts.scheme}://{parts.hostname or ''}:{port}/{database}"
    mode = query.get("sslmode", ["disable"])[0]
    if not parts.username or not database or not port or mode not in _TLS or query.keys() - {"sslmode", "host"}:
        raise ServingConfigError(
            f"{place}: needs a user and a database, like postgresql://user@host:5432/database, and takes no more than "
            f"?host=FOLDER and ?sslmode={'|'.join(_TLS)}"
        )
    folder = query.get("host", [""])[0]
    options: dict[str, Any] = {
        "user": unquote(parts.username),
        "password": unquote(parts.password) if parts.password else os.environ.get("PGPASSWORD"),
        "database": database,
        "host": parts.hostname or "localhost",
        "port": port,
        "unix_sock": f"{folder}/.s.PGSQL.{port}" if folder else None,
        "ssl_context": _tls_context(mode),
        "timeout": _CONNECT_SECONDS,
        "application_name": "hilir",
    }
    return Backend(place, partial(pg8000.dbapi.connect, **options), (pg8000.dbapi.Error, OSError), "%s")


def _tls_context(mode: str) -> ssl.SSLContext | None:
    if not _TLS[mode]:
        return None
    context = ssl.create_default_context()
    if mode == "require":
        # As libpq defines it: encrypted, whoever answers.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
