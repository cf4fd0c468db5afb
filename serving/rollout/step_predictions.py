"""The predictions of a rollout's present step in the servers' request logs: ours, or TensorFlow Serving's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from hilir.serving.request_log.record_files import LogFile, LogRecord, find_files, read_records
from hilir.serving.request_log.request import Request
from hilir.serving.request_log.request_forms import read_request

# The first entry of a line of our log, so that lines of other times need not be parsed.
_TIME = b'{"time":'


class StepLog:
    """Reads what was logged since a step began.

    A line of JSON has its time. A PredictionLog has none: of those files what was there when the step began, or when
    this process first looked at it, is left out.

    Args:
        logs: prefixes of request logs, or patterns of files.
    """

    def __init__(self, logs: Sequence[str]) -> None:
        self._logs = tuple(logs)
        self._since = ""
        self._positions: dict[str, int] = {}

    def begin(self, since: str) -> None:
        """Notes where logs without times end, once for each step; `since` is when it began (ISO 8601)."""
        if since == self._since:
            return
        self._since, self._positions = since, {}
        for file in self._files():
            with suppress(FileNotFoundError):
                self._positions[file.key] = 0 if file.is_json else file.path.stat().st_size

    def read(self, model: str) -> Iterator[Request]:
        """Yields the predictions of a model since the step began; what is damaged or torn is passed over."""
        moment = datetime.fromisoformat(self._since).timestamp()
        for file in self._files():
            for record in read_records(file, self._positions.get(file.key, 0)):
                found = _parse(file, record, moment)
                if found is not None and found.model == model:
                    yield found

    def _files(self) -> Iterator[LogFile]:
        for log in self._logs:
            yield from find_files(log)


def _parse(file: LogFile, record: LogRecord, moment: float) -> Request | None:
    if file.is_json and not _is_recent(record.data or b"", moment):
        return None
    try:
        return read_request(file, record)
    except ValueError:
        return None


def _is_recent(line: bytes, moment: float) -> bool:
    if not line.startswith(_TIME):
        return False
    try:
        return float(line[len(_TIME) : line.find(b",")]) >= moment
    except ValueError:
        return False
