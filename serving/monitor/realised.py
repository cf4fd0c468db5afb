"""Realised quality: outcomes that have arrived since the last look, joined with the predictions of closed windows."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from hilir.analysis.quality import QualityReference
from hilir.analysis.text import show_unprintable
from hilir.serving.monitor.monitor import Monitor
from hilir.serving.monitor.settings import Project
from hilir.serving.monitor.window import WindowResult
from hilir.serving.monitor.window_quality import measure, name_class
from hilir.serving.monitor.window_store import MonitorStore
from hilir.serving.outcomes.outcome_records import Outcome
from hilir.serving.outcomes.outcome_store import OutcomeStore

# Writers with clocks of their own: what arrived shortly before the newest outcome may not have been visible then.
_OVERLAP_SECONDS = 600.0
_DAY = 86_400.0
_CLASSES_FILE = "assets.extra/classes.json"
_MOST_WARNINGS = 5
logger = logging.getLogger(__name__)


class Realised:
    """Follows the outcomes of one model."""

    def __init__(
        self,
        project: Project,
        store: MonitorStore,
        monitor: Monitor,
        outcomes: OutcomeStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._project, self._store, self._monitor, self._outcomes, self._clock = (
            project, store, monitor, outcomes, clock,
        )  # fmt: skip
        self._warned: set[float | str] = set()
        self._is_told = False

    def step(self) -> int:
        """Joins new outcomes; returns how many windows were measured anew.

        Raises:
            StoreFailed: the outcomes' database does not answer.
        """
        known = self._store.totals().get("outcomes_received", 0.0)
        found = self._outcomes.read(self._names(), max(known - _OVERLAP_SECONDS, 0.0))
        labels = list(self._label(found))
        received = max((each.received for each in found), default=known)
        oldest = self._clock() - self._project.settings.outcome_days * _DAY
        if not self._store.add_labels(labels, received, oldest) and labels and not self._is_told:
            self._is_told = True
            first, row = min(each[:2] for each in labels)
            logger.warning(
                "none of %d outcomes, such as '%s#%d', belongs to a prediction in the log; the id of a prediction "
                "is that of its request, as the answer's X-Request-Id has it, '#' and the row from 0",
                len(labels), show_unprintable(first), row,
            )  # fmt: skip
        windows = self._store.to_measure()
        for number in windows:
            self._store.replace(number, self._measure(number))
        return len(windows)

    def _label(self, outcomes: Sequence[Outcome]) -> Iterator[tuple[str, int, str, float | None]]:
        """Yields request, row, class and number of the outcomes that can be labels."""
        versions = {each.version for each in self._store.windows()} | self._monitor.open_versions
        references = {version: self._monitor.reference(version) for version in sorted(versions)}
        known = [(number, each.quality) for number, each in references.items() if each is not None and each.quality]
        if not known:
            return
        newest, quality = known[-1]
        classes = read_classes(self._project, newest, quality.label)
        for each in outcomes:
            number = None if isinstance(each.value, str) else each.value
            name = name_class(quality, classes, each.value)
            if quality.kind == "regression" and number is not None:
                name = ""
            if name is None:
                self._warn(each.value, quality, classes)
            elif each.request:
                yield each.request, each.row, name, number

    def _warn(self, value: float | str, quality: QualityReference, classes: Sequence[str]) -> None:
        """Says once for each value, and not for very many, that it cannot be a label."""
        if value in self._warned or len(self._warned) >= _MOST_WARNINGS:
            return
        self._warned.add(value)
        there = "numbers" if quality.kind == "regression" else ", ".join(classes[:10]) or "numbers from 0"
        logger.warning(
            "an outcome of %s is %s and does not count; its values are %s",
            show_unprintable(quality.label), show_unprintable(str(value)), show_unprintable(there),
        )  # fmt: skip

    def _names(self) -> list[str]:
        """Returns the names that outcomes may have: the configured one, or those of the versions' labels."""
        if self._project.settings.outcome is not None:
            return [self._project.settings.outcome]
        versions = {each.version for each in self._store.windows()}
        references = [self._monitor.reference(version) for version in versions]
        return sorted({each.quality.label for each in references if each is not None and each.quality is not None})

    def _measure(self, number: int) -> WindowResult | None:
        """Returns what a window shows with its realised quality; None where there is nothing to measure."""
        window = self._store.find(number)
        reference = None if window is None else self._monitor.reference(window.version)
        if window is None or reference is None or reference.quality is None:
            return None
        realised = measure(reference.quality, self._store.labelled(number), window.result.rows)
        estimated = [each for each in window.result.quality if each.kind != "realised"]
        return replace(window.result, quality=estimated + realised)


def read_classes(project: Project, version: int, label: str) -> tuple[str, ...]:
    """Returns the names of a label's classes as a version has them, class 0 first; none where they are numbers."""
    path = project.versions / str(version) / _CLASSES_FILE
    try:
        return tuple(map(str, json.loads(path.read_bytes()).get(label, ())))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, AttributeError, TypeError) as error:
        logger.warning("%s: cannot be read (%s); push the version again", path, error)
        return ()
