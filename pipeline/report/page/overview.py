"""The first screen of a report: is the model good, better than before, where is it weak, what was pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hilir.analysis.measures import (
    Bound,
    Measure,
    complete,
    count_rows,
    find_bounds,
    find_weak,
    main_measure,
    read_measures,
)
from hilir.pipeline.report.document import Document
from hilir.pipeline.report.page.metric_intervals import Intervals, find_intervals

_STATUS = {
    "running": ("running", "Running"),
    "succeeded": ("good", "Succeeded"),
    "not_blessed": ("bad", "Not blessed"),
    "failed": ("bad", "Failed"),
    "interrupted": ("bad", "Interrupted"),
    "killed": ("bad", "Killed"),
}


@dataclass(frozen=True)
class Change:
    """A metric over all rows: `before` is the baseline's, `better` 1 where it improved, -1 where it fell behind."""

    measure: Measure
    value: float
    before: float | None
    better: int


@dataclass(frozen=True)
class Weak:
    """A slice where the model is worse than over all rows."""

    part: str
    value: float
    rows: int | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Overview:
    """What the first screen shows.

    Attributes:
        look, word: class of the style sheet and text of the status.
        measures: the metrics in the order of the configuration.
        main: the metric that counts most; None where no model was evaluated.
        bounds: the thresholds, each for each slice.
        changes: the metrics over all rows.
        weak: the weakest slices by the main metric.
        rows: rows that were evaluated, where a metric counts them.
        intervals: by slice and metric, where the true value is (95 %).
    """

    look: str
    word: str
    measures: Sequence[Measure]
    main: Measure | None
    bounds: Sequence[Bound]
    changes: Sequence[Change]
    weak: Sequence[Weak]
    rows: int | None
    intervals: Intervals

    @property
    def close(self) -> list[Bound]:
        """The bounds over all rows that chance may have decided: the true value may be on the other side."""
        return [bound for bound in self.bounds if bound.part == "overall" and self._is_close(bound)]

    def _is_close(self, bound: Bound) -> bool:
        low, high = self.intervals.get((bound.part, bound.metric), (None, None))
        if low is None or high is None:
            return False
        return any(limit is not None and low < limit < high for limit in (bound.low, bound.high))

    @property
    def within_chance(self) -> Change | None:
        """The first change of a metric, if chance may explain all changes: the interval of each has the value before.

        The interval is that of the rows, as if the two models had not been asked for the same ones: it is wide rather
        than narrow.
        """
        changed = [change for change in self.changes if change.better]
        return changed[0] if changed and all(map(self._is_within, changed)) else None

    def _is_within(self, change: Change) -> bool:
        low, high = self.intervals.get(("overall", change.measure.name), (None, None))
        return low is not None and high is not None and change.before is not None and low < change.before < high

    @property
    def broken(self) -> list[Bound]:
        """The bounds that the model does not keep."""
        return [bound for bound in self.bounds if bound.kept is False]


def make_overview(document: Document) -> Overview:
    """Returns the first screen of a report."""
    names = (name for values in document.metrics.values() for name in values)
    measures = complete(read_measures(document.evaluate), names)
    main = main_measure(document.evaluate, measures)
    whole = document.metrics.get("overall", {})
    before = document.evaluation.get("baseline", {}).get("overall", {})
    look, word = describe_status(document.status)
    intervals = find_intervals(document)
    return Overview(
        look=look,
        word=word,
        measures=measures,
        main=main,
        bounds=find_bounds(document.evaluate, document.metrics) if document.metrics else [],
        changes=[
            _compare(measure, whole[measure.name], before.get(measure.name))
            for measure in measures
            if whole.get(measure.name) is not None
        ],
        weak=[
            Weak(*found, intervals.get((found[0], main.name))) for found in find_weak(document.metrics, main, measures)
        ]
        if main
        else [],
        rows=count_rows(measures, whole),
        intervals=intervals,
    )


def describe_status(status: str) -> tuple[str, str]:
    """Returns class of the style sheet and text of a status."""
    return _STATUS.get(status, ("", status))


def _compare(measure: Measure, value: float, before: float | None) -> Change:
    better = 0
    if before is not None and value != before and measure.better:
        better = 1 if (value - before) * measure.better > 0 else -1
    return Change(measure, value, before, better)
