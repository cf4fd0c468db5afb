"""A log of sampled requests and responses: written by a thread of its own, bounded in memory and on disk.

Two files grow side by side: JSON lines to read, and TFRecords of PredictionLog, TensorFlow Serving's own record.
A record is appended whole; files are rotated by renaming, so that a crash costs at most a torn last record, which
readers of either format recognize.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hilir.serving.rare_warning import RareWarning
from hilir.serving.server.status import StatusError
from hilir.serving.server.telemetry.log_files import RotatingFile, tf_record
from hilir.serving.server.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)
_QUEUE = 1024
_FLUSH_SECONDS = 0.05
# A record's tensors, their protocol buffer, that serialized, and the record of the file.
_COPIES = 4


@dataclass(frozen=True)
class LogOptions:
    """What is logged, and how much of it is kept."""

    prefix: str
    rate: float = 1.0
    redact: frozenset[str] = frozenset()
    max_file_bytes: int = 64 << 20
    max_files: int = 8


class RecordTooLarge(ValueError):
    """A record that no log file may hold."""

    def __init__(self, size: int, options: LogOptions) -> None:
        super().__init__(
            f"its record has {size} bytes, and a log file may have {options.max_file_bytes}. "
            "Raise --request-log-max-bytes, or lower --max-request-bytes"
        )


class Record(Protocol):
    """A request that can be logged."""

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def request_id(self) -> str:
        """The request's id."""
        ...

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        ...

    def json_line(self, redact: frozenset[str]) -> bytes:
        """One line of JSON, without what `redact` names."""
        ...

    def prediction_log(self, redact: frozenset[str], rate: float) -> bytes:
        """A serialized PredictionLog, without what `redact` names."""
        ...


class Budget(Protocol):
    """What requests, and records that wait to be written, may hold in memory together."""

    def take(self, size: int) -> None:
        """Count `size` bytes; raises StatusError if they are more than is left."""
        ...

    def give(self, size: int) -> None:
        """Count `size` bytes no more."""
        ...


class NoLog:
    """Stands in where nothing is logged."""

    def wants(self, _model: str, _request_id: str) -> bool:
        """Never."""
        return False

    def offer(self, _record: Record) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def place_of(request_id: str) -> float:
    """Returns the place of a request between 0 and 1, the same for the same id and even over all ids."""
    # Multiplied by Knuth's constant: checksums of neighbours differ in few bits.
    return (zlib.crc32(request_id.encode()) * 0x9E3779B1 & 0xFFFFFFFF) / 2**32


class RequestLog:
    """The log of one or more models. `wants` and `offer` never wait: a full queue drops and counts."""

    def __init__(
        self, models: Mapping[str, LogOptions], default: LogOptions | None, metrics: Metrics, budget: Budget
    ) -> None:
        self._models = dict(models)
        self._default = default
        self._metrics = metrics
        self._budget = budget
        self._queue: queue.Queue[tuple[Record, int] | None] = queue.Queue(_QUEUE)
        self._files: dict[str, tuple[RotatingFile, RotatingFile]] = {}
        self._warning = RareWarning(logger)
        self._thread = threading.Thread(target=self._work, name="request-log", daemon=True)
        self._thread.start()

    def set_models(self, models: Mapping[str, LogOptions]) -> None:
        """Replace what the models' own configurations say."""
        self._models = dict(models)

    def wants(self, model: str, request_id: str) -> bool:
        """True if a request of this model is to be logged.

        Its id decides, so that a copy of a request for another version is logged exactly if the original is.
        """
        options = self._models.get(model, self._default)
        return options is not None and (options.rate >= 1 or place_of(request_id) < options.rate)

    def offer(self, record: Record) -> None:
        """Hand over a record; drop it if the disk does not keep up, or memory is short."""
        size = _COPIES * record.size
        try:
            self._budget.take(size)
        except StatusError:
            self._metrics.log_dropped.add()
            return
        try:
            self._queue.put_nowait((record, size))
        except queue.Full:
            self._budget.give(size)
            self._metrics.log_dropped.add()

    def close(self) -> None:
        """Write what is queued, and close the files."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        flushed = time.monotonic()
        while True:
            try:
                entry = self._queue.get(timeout=_FLUSH_SECONDS)
            except queue.Empty:
                self._flush()
                continue
            if entry is None:
                break
            self._write(entry[0])
            self._budget.give(entry[1])
            # It would be held until the next one comes.
            del entry
            if time.monotonic() - flushed > _FLUSH_SECONDS:
                self._flush()
                flushed = time.monotonic()
        for files in self._files.values():
            for file in files:
                file.close()

    def _flush(self) -> None:
        for files in self._files.values():
            for file in files:
                try:
                    file.flush()
                except OSError:
                    self._metrics.log_dropped.add()

    def _write(self, record: Record) -> None:
        model = record.model
        options = self._models.get(model, self._default)
        if options is None:
            return
        try:
            if record.size > options.max_file_bytes:
                raise RecordTooLarge(record.size, options)
            line = record.json_line(options.redact)
            whole = tf_record(record.prediction_log(options.redact, options.rate))
            if max(len(line), len(whole)) > options.max_file_bytes:
                raise RecordTooLarge(max(len(line), len(whole)), options)
            lines, records = self._open(options)
            lines.append(line)
            records.append(whole)
            self._metrics.request_log_count.add(model, "OK")
        except Exception as error:  # noqa: BLE001 - a full disk or an odd tensor must not end the thread
            self._metrics.request_log_count.add(model, "INTERNAL")
            self._metrics.log_dropped.add()
            self._warning.warn(f"request {record.request_id} is not logged: {error}")

    def _open(self, options: LogOptions) -> tuple[RotatingFile, RotatingFile]:
        files = self._files.get(options.prefix)
        if files is None:
            files = (
                RotatingFile(Path(options.prefix + ".jsonl"), options.max_file_bytes, options.max_files),
                RotatingFile(Path(options.prefix + ".tfrecord"), options.max_file_bytes, options.max_files),
            )
            self._files[options.prefix] = files
        return files
