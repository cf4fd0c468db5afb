"""Counters and histograms, and their text for Prometheus as TensorFlow Serving prints it.

Names keep their colons and counters get no `_total` (util/prometheus_exporter.cc), which no Prometheus client
library would allow.
"""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_MAX_CELLS = 2000
_OVERFLOW = "other"


def _label_name(name: str) -> str:
    clean = re.sub(r"[^a-zA-Z0-9]", "_", name)
    return f"_{clean}" if clean[:1].isdigit() else clean


def metric_name(name: str) -> str:
    """`/tensorflow/serving/request_count` -> `:tensorflow:serving:request_count`."""
    clean = re.sub(r"[^a-zA-Z0-9_]", ":", name)
    return f"_{clean}" if clean[:1].isdigit() else clean


def _label_value(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return escaped.encode("utf-8", "replace").decode()


def format_number(value: float) -> str:
    """A number as absl::StrCat prints it: six significant digits."""
    return f"{value:.6g}"


def exponential_buckets(scale: float, growth: float, count: int) -> tuple[float, ...]:
    """Bucket limits scale * growth**k."""
    return tuple(scale * growth**k for k in range(count))


LATENCY_BUCKETS = exponential_buckets(10, 1.8, 33)


@dataclass
class Counter:
    """A cumulative number, or a gauge, per combination of label values."""

    name: str
    labels: tuple[str, ...]
    kind: str = "counter"
    cells: dict[tuple[str, ...], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *values: str, amount: int = 1) -> None:
        """Count."""
        with self._lock:
            key = _bounded(self.cells, values)
            self.cells[key] = self.cells.get(key, 0) + amount

    def set(self, *values: str, to: int) -> None:
        """Set a gauge."""
        with self._lock:
            self.cells[_bounded(self.cells, values)] = to

    def clear(self) -> None:
        """Forget all cells."""
        with self._lock:
            self.cells.clear()

    def total(self) -> int:
        """The first cell's value, as HandleReloadConfigRequest reads metrics."""
        return next(iter(self.cells.values()), 0)

    def lines(self) -> Iterable[str]:
        """The metric as text."""
        name = metric_name(self.name)
        yield f"# TYPE {name} {self.kind}"
        for values, number in sorted(self.cells.items()):
            yield f"{name}{{{_label_text(self.labels, values)}}} {number}"


@dataclass
class Histogram:
    """A distribution per combination of label values; a value equal to a limit belongs to the next bucket."""

    name: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = LATENCY_BUCKETS
    cells: dict[tuple[str, ...], tuple[list[int], list[float]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *values: str, value: float) -> None:
        """Record one value."""
        index = bisect.bisect_right(self.buckets, value)
        with self._lock:
            cell = self.cells.get(values)
            if cell is None:
                key = _bounded(self.cells, values)
                cell = self.cells.setdefault(key, ([0] * (len(self.buckets) + 1), [0.0]))
            cell[0][index] += 1
            cell[1][0] += value

    def total(self) -> int:
        """Histograms have no integer value."""
        return 0

    def lines(self) -> Iterable[str]:
        """The metric as text."""
        name = metric_name(self.name)
        yield f"# TYPE {name} histogram"
        for values, (counts, total) in sorted(self.cells.items()):
            labels = _label_text(self.labels, values)
            prefix = f"{name}_bucket{{{labels}" + ("," if labels else "")
            cumulative = 0
            for limit, count in zip((*map(format_number, self.buckets), "+Inf"), counts, strict=True):
                cumulative += count
                yield f'{prefix}le="{limit}"}} {cumulative}'
            yield f"{name}_sum{{{labels}}} {format_number(total[0])}"
            yield f"{name}_count{{{labels}}} {cumulative}"


def _bounded(cells: Mapping[tuple[str, ...], object], values: tuple[str, ...]) -> tuple[str, ...]:
    """The cell to use: a common one once there are too many, since clients choose some label values."""
    if len(cells) < _MAX_CELLS or values in cells:
        return values
    return (_OVERFLOW,) * len(values)


def _label_text(names: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(f'{_label_name(name)}="{_label_value(value)}"' for name, value in zip(names, values, strict=True))


_SERVING = "/tensorflow/serving/"
_UNKNOWN_MODELS = 100


class Metrics:
    """All metrics of a server: TensorFlow Serving's, and with them ours per version and label."""

    def __init__(self) -> None:
        api = ("model_name", "API")
        self.request_count = Counter(_SERVING + "request_count", ("model_name", "status"))
        self.request_latency = Histogram(_SERVING + "request_latency", (*api, "entrypoint"))
        self.runtime_latency = Histogram(_SERVING + "runtime_latency", (*api, "runtime"))
        self.example_counts = Histogram(_SERVING + "request_example_counts", ("model",), exponential_buckets(1, 2, 15))
        self.example_count_total = Counter(_SERVING + "request_example_count_total", ("model",))
        self.warmup_latency = Histogram(_SERVING + "model_warmup_latency", ("model_path", "status"))
        self.warmup_records = Counter(_SERVING + "model_warmup_records_read", ("model_path", "status"))
        self.request_log_count = Counter(_SERVING + "request_log_count", ("model_name", "status"))
        self.queuing_latency = Histogram(_SERVING + "batching_session/queuing_latency", ("thread_pool_name",))
        self.wrapped_runs = Counter(_SERVING + "batching_session/wrapped_run_count", ())
        self.load_attempts = Counter("/tensorflow/cc/saved_model/load_attempt_count", ("model_path", "status"))
        ours = ("model", "version", "label")
        self.version_requests = Counter("hilir_requests", (*ours, "method", "protocol", "status"))
        self.version_latency = Histogram("hilir_request_latency_microseconds", (*ours, "protocol"))
        self.signature_latency = Histogram(
            "hilir_signature_latency_microseconds", ("model", "version", "signature", "method")
        )
        self.batch_size = Histogram("hilir_batch_rows", ("model", "version"), exponential_buckets(1, 2, 12))
        self.version_state = Counter("hilir_version_state", ("model", "version"), kind="gauge")
        self.label_version = Counter("hilir_label_version", ("model", "label"), kind="gauge")
        self.in_flight = Counter("hilir_requests_in_flight", (), kind="gauge")
        self.rejected = Counter("hilir_requests_rejected", ("reason",))
        self.log_dropped = Counter("hilir_request_log_dropped", ())
        self.spans_dropped = Counter("hilir_spans_dropped", ())
        self.build_info = Counter("hilir_build_info", ("version", "tensorflow", "python"), kind="gauge")
        self._more: list[Counter] = []
        self._unknown: set[str] = set()
        self._lock = threading.Lock()

    def add(self, *counters: Counter) -> None:
        """Has counters printed that belong to another part of the server."""
        self._more += counters

    def all(self) -> list[Counter | Histogram]:
        """Every metric, in the order they are printed."""
        return [metric for metric in vars(self).values() if isinstance(metric, (Counter, Histogram))] + self._more

    def find(self, name: str) -> Counter | Histogram | None:
        """A metric by its TensorFlow name."""
        return next((metric for metric in self.all() if metric.name == name), None)

    def page(self) -> str:
        """The text that Prometheus reads."""
        return "\n".join(line for metric in self.all() for line in metric.lines()) + "\n"

    def model_label(self, name: str, known: bool) -> str:
        """A model's name as a label value; of names that are not served only the first hundred are kept."""
        if known or not name:
            return name
        with self._lock:
            if name in self._unknown:
                return name
            if len(self._unknown) >= _UNKNOWN_MODELS or len(name) > 128:
                return ""
            self._unknown.add(name)
            return name
