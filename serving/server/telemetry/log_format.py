"""Messages of the server as lines of text, or as JSON objects for a collector of logs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import click

from hilir.serving.server.output import LineFormatter


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: time (ISO 8601, UTC), level, logger, message, and error with its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        entry = _entry(record.created, record.levelname, record.name, record.getMessage())
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def set_up_logging(form: str) -> Callable[[str], None]:
    """Sends log records to stderr as `text` or `json`; returns what prints a line for the user in the same form."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    return _print_json if form == "json" else click.echo


def _print_json(line: str) -> None:
    entry = _entry(datetime.now(UTC).timestamp(), "INFO", "hilir.serving.server", line)
    click.echo(json.dumps(entry, ensure_ascii=False))


def _entry(seconds: float, level: str, logger: str, message: str) -> dict[str, str]:
    at = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return {"time": at, "level": level, "logger": logger, "message": message}
