"""The commands of `hilir monitor`: follow a log, and look back."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from hilir.analysis.reference import FeatureReference
from hilir.serving.disk import write_atomically
from hilir.serving.errors import ServingConfigError
from hilir.serving.monitor.drift_page import write_page
from hilir.serving.monitor.monitor import Monitor, read_reference
from hilir.serving.monitor.monitor_metrics import serve_metrics, write_figures, write_file
from hilir.serving.monitor.realised import Realised
from hilir.serving.monitor.settings import Project
from hilir.serving.monitor.window_store import MonitorStore, StoredWindow, has_state
from hilir.serving.monitor.window_summary import FeatureHistory, parse_duration, summarize, write_window
from hilir.serving.outcomes.backends import open_store
from hilir.serving.outcomes.outcome_store import StoreFailed
from hilir.serving.rare_warning import RareWarning
from hilir.serving.request_log.record_files import find_files

_PAUSE_SECONDS = 1.0
_OUTCOMES_SECONDS = 30.0
_UNREAD = RareWarning(logging.getLogger(__name__))


def run_monitor(project: Project, echo: Callable[[str], None], *, once: bool, as_json: bool) -> None:
    """Follows the log of a project's model until a signal comes; with `once`, reads what there is.

    Raises:
        ServingConfigError: a setting is wrong, or another monitor is at work.
    """
    logging.basicConfig(stream=sys.stderr, format="hilir: %(message)s")
    settings = project.settings
    store = MonitorStore(project.state)
    stopped = threading.Event()
    with store.alone():
        monitor = Monitor(project, store)
        realised = _open_realised(project, store, monitor)
        looked = 0.0
        server = None if settings.listen is None else serve_metrics(settings.listen, project.model, store)
        before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            if not as_json and not once:
                echo(f"reading {settings.log} (Ctrl-C to stop)")
            if once and not find_files(str(settings.log)):
                echo(f"{settings.log}: there are no records yet; start 'hilir serve --request-log {settings.log}'")
            while not stopped.is_set():
                for closed in monitor.step():
                    content = {"version": closed.version} | asdict(closed.result)
                    line = write_window(closed.version, closed.result, closed.has_reference)
                    echo(json.dumps(content) if as_json else line)
                if realised is not None and (once or time.monotonic() - looked > _OUTCOMES_SECONDS):
                    looked = time.monotonic()
                    _look_at_outcomes(realised)
                if settings.metrics is not None:
                    write_file(settings.metrics, write_figures(project.model, store))
                if once:
                    break
                stopped.wait(_PAUSE_SECONDS)
            totals = store.totals()
            if once and not as_json and totals.get("rows") and not store.latest():
                echo(f"{totals['rows']:,.0f} rows were read; no window is complete yet (see monitor.window_rows)")
            if once and totals.get("other_models") and not totals.get("rows"):
                echo(f"{settings.log}: no record is of the model {project.model}; compare model.name with the log")
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if server is not None:
                server.shutdown()
                server.server_close()


def _open_realised(project: Project, store: MonitorStore, monitor: Monitor) -> Realised | None:
    if project.settings.outcomes is None:
        return None
    return Realised(project, store, monitor, open_store(project.settings.outcomes))


def _look_at_outcomes(realised: Realised) -> None:
    """Outcomes that cannot be read now are read later; drift does not wait for them."""
    try:
        realised.step()
    except StoreFailed as error:
        _UNREAD.warn(f"{error}; it is tried again")


def look_back(project: Project, since: str) -> tuple[list[StoredWindow], list[FeatureHistory]]:
    """Returns the windows of the last hours, and their features, the worst first.

    Raises:
        ServingConfigError: no monitor has run.
    """
    seconds = parse_duration(since)
    if not has_state(project.state):
        raise ServingConfigError(f"{project.state}: no monitor has run yet; start 'hilir monitor run CONFIG'")
    windows = MonitorStore(project.state).windows(time.time() - seconds)
    return windows, summarize(windows)


def count_waiting(project: Project) -> dict[int, int]:
    """Returns the rows of the windows that are not closed yet, by version."""
    return {version: int(state["rows"]) for version, state in MonitorStore(project.state).open_windows().items()}


def write_html(project: Project, since: str, histories: list[FeatureHistory], path: str) -> None:
    """Writes the page with pictures.

    Raises:
        ServingConfigError: the file cannot be written.
    """
    references = {version: read_reference(project, version) for version in {each.version for each in histories}}

    def look_up(history: FeatureHistory) -> FeatureReference | None:
        reference = references[history.version]
        if reference is None:
            return None
        group = reference.predictions if history.worst.kind == "prediction" else reference.features
        return group.get(history.worst.name)

    try:
        write_atomically(Path(path), write_page(project.model, since, histories, look_up))
    except OSError as error:
        raise ServingConfigError(f"{path}: cannot be written ({error.strerror}); give another file") from None
