"""A window: the requests that one version answered in a row, and how they differ from the version's reference."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hilir.analysis.drift import Level, compare
from hilir.analysis.reference import CategoryReference, FeatureReference, NumberReference, Reference
from hilir.analysis.tfdv import Histogram, jensen_shannon, largest_difference, make_histogram
from hilir.serving.monitor.counts import CategoryCounts, Counts, NumberCounts, join_outputs, open_counts
from hilir.serving.monitor.window_quality import MetricResult, estimate, find_scores, open_scores
from hilir.serving.request_log.request import Request

PREDICTION = "prediction"
FEATURE = "feature"
_SHOWN_NEW = 5


class OpenWindow:
    """Counts the requests of a version until the window is closed."""

    def __init__(
        self, reference: Reference, ignore: Collection[str] = (), state: Mapping[str, Any] | None = None
    ) -> None:
        """Opens a window.

        Args:
            reference: of the version.
            ignore: features that are not compared, for example those that the log leaves out.
            state: of a window that was open when the process ended.
        """
        state = state or {}
        self._known: dict[tuple[str, str], FeatureReference] = {
            (kind, name): each
            for kind, group in ((FEATURE, reference.features), (PREDICTION, reference.predictions))
            for name, each in group.items()
            if name not in ignore
        }
        self._quality = reference.quality
        self._scores = open_scores(reference.quality, state.get("scores"))
        self._predictions = [name for kind, name in self._known if kind == PREDICTION]
        self.first: float | None = state.get("first")
        self.last: float | None = state.get("last")
        self.rows, self.requests = int(state.get("rows", 0)), int(state.get("requests", 0))
        # Rows of tf.Examples, in all and by feature that they had.
        self._sparse = int(state.get("sparse", 0))
        self._sparse_rows = {(kind, name): rows for kind, name, rows in state.get("sparse_rows", [])}
        counts = {(kind, name): each for kind, name, each in state.get("counts", [])}
        self._counts: dict[tuple[str, str], Counts] = {
            key: open_counts(self._known[key], each) for key, each in counts.items() if key in self._known
        }

    def add(self, request: Request) -> None:
        """Counts a request."""
        self.first = request.time if self.first is None else min(self.first, request.time)
        self.last = request.time if self.last is None else max(self.last, request.time)
        self.rows += request.rows
        self.requests += 1
        self._sparse += request.rows if request.is_sparse else 0
        outputs = join_outputs(request.outputs, self._predictions)
        if self._quality is not None and self._scores is not None:
            self._scores.add(self._quality, find_scores(self._quality, request.outputs))
        for kind, columns in ((FEATURE, request.inputs), (PREDICTION, outputs)):
            for name, column in columns.items():
                key = kind, name
                if key not in self._counts:
                    if key not in self._known:
                        continue
                    self._counts[key] = open_counts(self._known[key])
                self._counts[key].add(column)
                if request.is_sparse and kind == FEATURE:
                    self._sparse_rows[key] = self._sparse_rows.get(key, 0) + len(column)

    def is_full(self, rows: int, seconds: float, longest: float, now: float) -> bool:
        """Returns whether it has enough rows and time, or has been open for too long."""
        if self.first is None or self.last is None:
            return False
        return (self.rows >= rows and now - self.first >= seconds) or now - self.first >= longest

    def state(self) -> dict[str, Any]:
        """Returns what the constructor takes."""
        counts = [(*key, each.state()) for key, each in self._counts.items()]
        return {
            "first": self.first, "last": self.last, "rows": self.rows, "requests": self.requests, "counts": counts,
            "scores": None if self._scores is None else [self._scores.counts.tolist(), self._scores.sums.tolist()],
            "sparse": self._sparse, "sparse_rows": [(*key, rows) for key, rows in self._sparse_rows.items()],
        }  # fmt: skip

    def close(self) -> WindowResult:
        """Returns what the window shows, the worst feature first; nothing can be added afterwards."""
        for key, rows in self._sparse_rows.items():
            # A feature that some examples lack is missing there; one that all lack is not sent, like the label.
            self._counts[key].rows += self._sparse - rows
            self._counts[key].missing += self._sparse - rows
        self._sparse_rows = {}
        keys = {f"{kind}:{name}": (kind, name) for kind, name in self._counts}
        references = {label: self._known[key] for label, key in keys.items()}
        windows = {label: self._counts[key].result() for label, key in keys.items()}
        found = []
        for drift in compare(references, windows):
            key = keys[drift.feature]
            worst = drift.differences[0] if drift.differences else None
            known, counts = self._known[key], self._counts[key]
            found.append(
                FeatureResult(
                    kind=key[0],
                    name=key[1],
                    level=drift.level.name.lower(),
                    what=worst.what if worst else "",
                    size=drift.size,
                    p=min((each.p for each in drift.differences), default=1.0),
                    detail=worst.detail if worst else "",
                    rows=counts.rows,
                    missing=counts.missing,
                    outside=counts.outside,
                    faults=counts.faults,
                    tfdv=_tfdv(known, counts),
                    new=_new_share(drift.window),
                    new_values=[
                        name for name, _ in counts.new_names[:_SHOWN_NEW]
                    ] if isinstance(counts, CategoryCounts) else [],
                    counts=_bar_counts(known, drift.window),
                )
            )  # fmt: skip
        level = max((Level[each.level.upper()] for each in found), default=Level.NONE)
        return WindowResult(
            first=self.first or 0.0,
            last=self.last or 0.0,
            rows=self.rows,
            requests=self.requests,
            level=level.name.lower(),
            features=found,
            quality=[] if self._quality is None or self._scores is None else estimate(self._quality, self._scores),
            absent=sorted(name for kind, name in self._known if kind == FEATURE and (kind, name) not in self._counts),
        )


@dataclass(frozen=True)
class FeatureResult:
    """A feature or a prediction in a window.

    Attributes:
        kind: `feature` or `prediction`.
        name: its name.
        level: none, seen, warn or alarm.
        what: the worst difference: distribution, missing, new or lost.
        size: the largest Jensen-Shannon divergence, in bits.
        p: the smallest p of its tests.
        detail: shares or names, for a person.
        rows: rows in which it was logged.
        missing: rows without a value.
        outside: numbers far outside of the training data's range.
        faults: values that should be numbers and are not; they count as missing.
        tfdv: what TFDV and Vertex AI Model Monitoring would print; None where the reference has no histogram.
        new: share of values that the reference does not have by name; None for a number.
        new_values: the most frequent of them.
        counts: values in each bin; of categories in the order of the reference, the others last.
    """

    kind: str
    name: str
    level: str
    what: str
    size: float
    p: float
    detail: str
    rows: int
    missing: int
    outside: int
    faults: int
    tfdv: float | None
    new: float | None
    new_values: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class WindowResult:
    """A closed window.

    Attributes:
        first, last: the times of its first and its last request, in seconds since 1970.
        rows: rows of all its requests.
        requests: how many there were.
        level: the highest of its features.
        features: the worst first.
        absent: features of the reference that no request had: the label, what is redacted, or what nobody sends.
        quality: metrics of a classifier, estimated without labels.
    """

    first: float
    last: float
    rows: int
    requests: int
    level: str
    features: list[FeatureResult]
    absent: list[str] = field(default_factory=list)
    quality: list[MetricResult] = field(default_factory=list)


def _tfdv(reference: FeatureReference, counts: Counts) -> float | None:
    """Returns the number that TFDV prints: Jensen-Shannon of numbers, the L-infinity distance of categories."""
    if isinstance(reference, NumberReference) and isinstance(counts, NumberCounts):
        low, high, histogram = reference.low, reference.high, reference.histogram
        sample = counts.sample
        if not histogram or low is None or high is None or not sample.size:
            return None
        edges = [low + (high - low) * place / len(histogram) for place in range(len(histogram) + 1)]
        buckets = [(edges[place], edges[place + 1], float(count)) for place, count in enumerate(histogram)]
        return jensen_shannon(Histogram(buckets), make_histogram(sample))
    if isinstance(reference, CategoryReference) and isinstance(counts, CategoryCounts):
        if reference.other or not counts.names or not reference.counts:
            return None  # the reference has not all values by name
        return largest_difference(reference.counts, counts.names)[1]
    return None


def _new_share(window: FeatureReference) -> float | None:
    if not isinstance(window, CategoryReference):
        return None
    total = sum(window.counts.values()) + window.other
    return window.other / total if total else 0.0


def _bar_counts(reference: FeatureReference, window: FeatureReference) -> list[int]:
    if isinstance(reference, CategoryReference) and isinstance(window, CategoryReference):
        return [*(window.counts.get(name, 0) for name in reference.counts), window.other]
    return list(window.counts) if isinstance(window, NumberReference) else []
