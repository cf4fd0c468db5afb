"""Realised quality: outcomes that have arrived since the last look, joined with the predictions of closed windows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from hilir.serving.monitor.monitor import Monitor
from hilir.serving.monitor.quality import measure, name_class
from hilir.serving.monitor.settings import Project
from hilir.serving.monitor.store import MonitorStore
from hilir.serving.monitor.window import WindowResult
from hilir.serving.outcomes.store import OutcomeStore

# Writers with clocks of their own: what arrived shortly before the newest outcome may not have been visible then.
_OVERLAP_SECONDS = 600.0
_DAY = 86_400.0


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

    def step(self) -> int:
        """Joins new outcomes; returns how many windows were measured anew.

        Raises:
            StoreFailed: the outcomes' database does not answer.
        """
        known = self._store.totals().get("outcomes_received", 0.0)
        found = self._outcomes.read(self._names(), max(known - _OVERLAP_SECONDS, 0.0))
        labels = [
            (each.request, each.row, name_class(each.value), None if isinstance(each.value, str) else each.value)
            for each in found
            if each.request
        ]
        received = max((each.received for each in found), default=known)
        oldest = self._clock() - self._project.settings.outcome_days * _DAY
        self._store.add_labels(labels, received, oldest)
        windows = self._store.to_measure()
        for number in windows:
            self._store.replace(number, self._measure(number))
        return len(windows)

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
