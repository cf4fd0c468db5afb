"""Reads a log as it grows, fills windows by version, and closes them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from hilir.analysis.errors import ReferenceDamaged
from hilir.analysis.reference import Reference, from_json
from hilir.serving.errors import ServingConfigError
from hilir.serving.monitor.settings import Project
from hilir.serving.monitor.window import OpenWindow, WindowResult
from hilir.serving.monitor.window_quality import Prediction, list_predictions
from hilir.serving.monitor.window_store import MonitorStore, Step
from hilir.serving.outcomes.access_log import GOLDEN_IDS
from hilir.serving.request_log.record_files import LogFile, LogRecord, find_files, forget, read_records
from hilir.serving.request_log.request import Request
from hilir.serving.request_log.request_forms import read_request

logger = logging.getLogger(__name__)
REFERENCE_FILE = "assets.extra/reference.json"
# So many records are lost work at most when the process is killed.
_COMMIT_RECORDS = 5000


@dataclass(frozen=True)
class Closed:
    """A window that was closed."""

    version: int
    result: WindowResult
    has_reference: bool
    predictions: list[Prediction]


class Monitor:
    """Follows the log of one model; all it knows is in the store."""

    def __init__(self, project: Project, store: MonitorStore, clock: Callable[[], float] = time.time) -> None:
        """Continues where the store says.

        Raises:
            ServingConfigError: there is no log to read.
        """
        if not project.settings.log:
            raise ServingConfigError(
                "monitor.log is not set; give the prefix of 'hilir serve --request-log PREFIX', or a pattern of "
                "PredictionLog files: --log PREFIX"
            )
        self._log = project.settings.log
        self._project, self._store, self._clock = project, store, clock
        self._references: dict[int, Reference | None] = {}
        self._positions = store.positions()
        self._windows = {version: self._open(version, state) for version, state in store.open_windows().items()}
        self._changed: set[int] = set()
        self._closed: list[Closed] = []
        self._predictions: dict[int, list[Prediction]] = {}
        self._totals: dict[str, float] = {}

    def step(self) -> list[Closed]:
        """Reads what is new; returns the windows that were closed, after they were stored."""
        found: list[Closed] = []
        files = find_files(self._log)
        for file in files:
            for count, record in enumerate(read_records(file, self._positions.get(file.key, 0)), start=1):
                self._positions[file.key] = record.end
                self._read(file, record)
                if count % _COMMIT_RECORDS == 0:
                    found += self._commit([])
        for version in list(self._windows):
            self._close_if_full(version, self._clock())
        return found + self._commit(forget(self._positions, files))

    @property
    def open_versions(self) -> set[int]:
        """Versions that have a window which is not closed yet."""
        return set(self._windows)

    def reference(self, version: int) -> Reference | None:
        """Returns what a version carries, read once."""
        if version not in self._references:
            self._references[version] = read_reference(self._project, version)
        return self._references[version]

    def _read(self, file: LogFile, record: LogRecord) -> None:
        try:
            request = read_request(file, record)
        except ValueError as error:
            self._count("unreadable")
            logger.warning("%s: a record before byte %d is skipped: %s", file.path, record.end, error)
            return
        if request.model != self._project.model:
            self._count("other_models")
            return
        if request.request_id.startswith(GOLDEN_IDS):
            self._count("golden")
            return
        self._add(request)

    def _add(self, request: Request) -> None:
        self._count("rows", request.rows)
        version = request.version
        if version not in self._windows:
            self._windows[version] = self._open(version)
        self._windows[version].add(request)
        self._changed.add(version)
        reference = self.reference(version)
        if self._project.settings.outcomes and reference is not None and reference.quality is not None:
            self._predictions.setdefault(version, []).extend(list_predictions(reference.quality, request))
        self._close_if_full(version, request.time)

    def _close_if_full(self, version: int, now: float) -> None:
        settings, window = self._project.settings, self._windows[version]
        if window.is_full(settings.window_rows, settings.window_seconds, settings.longest_seconds, now):
            has_reference, predictions = self.reference(version) is not None, self._predictions.pop(version, [])
            self._closed.append(Closed(version, window.close(), has_reference, predictions))
            del self._windows[version]
            self._changed.add(version)

    def _open(self, version: int, state: dict[str, object] | None = None) -> OpenWindow:
        return OpenWindow(self.reference(version) or Reference(), self._project.settings.ignore, state)

    def _count(self, name: str, amount: float = 1) -> None:
        self._totals[name] = self._totals.get(name, 0) + amount

    def _commit(self, gone: list[str]) -> list[Closed]:
        closed, self._closed = self._closed, []
        states = {
            version: self._windows[version].state() if version in self._windows else None for version in self._changed
        }
        results = [(each.version, each.result, each.predictions) for each in closed]
        step = Step(self._positions, gone, states, results, self._predictions, self._totals)
        self._store.write(step, self._clock(), self._project.settings.keep_windows)
        for key in gone:
            del self._positions[key]
        self._changed, self._totals, self._predictions = set(), {}, {}
        return closed


def read_reference(project: Project, version: int) -> Reference | None:
    """Returns what a version carries; None, and a line in the log, where it carries nothing that can be read."""
    path = project.versions / str(version) / REFERENCE_FILE
    try:
        return from_json(path.read_bytes())
    except FileNotFoundError:
        logger.warning("%s does not exist: drift from this version's data is not measured; push it again", path)
    except (OSError, ReferenceDamaged) as error:
        logger.warning("%s: %s; push the version again", path, error)
    return None
