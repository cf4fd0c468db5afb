"""The figures of a monitor as text that Prometheus reads, from a file (node_exporter) or over HTTP."""

from __future__ import annotations

import math
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from hilir.analysis.drift import Level
from hilir.serving.disk import write_atomically
from hilir.serving.errors import ServingConfigError
from hilir.serving.monitor.window import FeatureResult
from hilir.serving.monitor.window_quality import MetricResult
from hilir.serving.monitor.window_store import MonitorStore
from hilir.serving.monitor.window_summary import count_streaks, count_worse

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Features of a version that get series of their own, the worst first.
_MOST_FEATURES = 100
# p of 0 has no logarithm.
_SMALLEST_P = 1e-300

_HELP = {
    "hilir_monitor_step_seconds": "When the monitor last looked at the log, in seconds since 1970.",
    "hilir_monitor_rows": "Logged rows that were read.",
    "hilir_monitor_unreadable": "Records of the log that could not be read.",
    "hilir_window_end_seconds": "Time of the last request of the newest window, in seconds since 1970.",
    "hilir_window_rows": "Rows of the newest window.",
    "hilir_drift_level": "Level of the newest window: 0 none, 1 seen, 2 warn, 3 alarm.",
    "hilir_drift_js": "Jensen-Shannon divergence from the version's reference, in bits.",
    "hilir_drift_p_log10": "Logarithm of the chance of such a difference without drift.",
    "hilir_drift_tfdv": "The number that TFDV and Vertex AI Model Monitoring would print.",
    "hilir_missing_share": "Share of rows without a value.",
    "hilir_new_category_share": "Share of values that the training data does not have.",
    "hilir_drift_windows": "How many of the newest windows in a row had the level, at least.",
    "hilir_quality": "A metric of a classifier in the newest window: estimated without labels, or realised.",
    "hilir_quality_bound": "The value from which on the metric is worse than on the evaluation split, not by chance.",
    "hilir_quality_windows_below": "How many of the newest windows in a row were worse than the bound.",
    "hilir_outcome_coverage": "Share of rows with an outcome, in the newest window with any.",
    "hilir_outcome_received_seconds": "When the newest outcome arrived, in seconds since 1970.",
    "hilir_feature_level": "Level of a feature in the newest window.",
}
# So many windows of all versions are looked at for those in a row.
_STREAK_WINDOWS = 100
_COUNTERS = {"hilir_monitor_rows", "hilir_monitor_unreadable"}


def write_figures(model: str, store: MonitorStore) -> str:
    """Returns the text of all figures; each version's come from its newest window."""
    latest, totals = store.latest(), store.totals()
    recent = store.windows(limit=_STREAK_WINDOWS)
    streaks = {level: count_streaks(recent, level) for level in (Level.WARN, Level.ALARM)}
    newest_realised: dict[int, list[MetricResult]] = {}
    for each in recent:
        newest_realised[each.version] = [
            metric for metric in each.result.quality if metric.kind == "realised"
        ] or newest_realised.get(each.version, [])
    worse = {kind: count_worse(recent, kind) for kind in ("estimated", "realised")}
    lines: dict[str, list[str]] = {name: [] for name in _HELP}

    def add(name: str, value: float, **labels: object) -> None:
        written = ",".join(f'{key}="{_escape(str(each))}"' for key, each in labels.items())
        lines[name].append(f"{name}{{{written}}} {value:.10g}")

    add("hilir_monitor_step_seconds", totals.get("at", 0), model=model)
    if totals.get("outcomes_received"):
        add("hilir_outcome_received_seconds", totals["outcomes_received"], model=model)
    for name in ("rows", "unreadable"):
        add(f"hilir_monitor_{name}", totals.get(name, 0), model=model)
    for window in latest:
        result, of = window.result, {"model": model, "version": window.version}
        add("hilir_window_end_seconds", result.last, **of)
        add("hilir_window_rows", result.rows, **of)
        add("hilir_drift_level", Level[result.level.upper()], **of)
        realised = newest_realised.get(window.version, [])
        covered = [each.coverage for each in realised if each.coverage is not None]
        if covered:
            add("hilir_outcome_coverage", covered[0], **of)
        for metric in [*(each for each in result.quality if each.kind == "estimated"), *realised]:
            add("hilir_quality", metric.value, **of, metric=metric.metric, kind=metric.kind)
            if metric.bound is not None:
                add("hilir_quality_bound", metric.bound, **of, metric=metric.metric, kind=metric.kind)
                count = worse[metric.kind].get((window.version, metric.metric), 0)
                add("hilir_quality_windows_below", count, **of, metric=metric.metric, kind=metric.kind)
        for feature in result.features[:_MOST_FEATURES]:
            for name, value in _figures(feature):
                add(name, value, **of, kind=feature.kind, feature=feature.name)
            for level, counts in streaks.items():
                count = counts.get((window.version, feature.kind, feature.name), 0)
                add(
                    "hilir_drift_windows", count, **of,
                    kind=feature.kind, feature=feature.name, level=level.name.lower(),
                )  # fmt: skip
    return "".join(
        f"# HELP {name} {_HELP[name]}\n# TYPE {name} {'counter' if name in _COUNTERS else 'gauge'}\n"
        + "".join(f"{line}\n" for line in each)
        for name, each in lines.items()
        if each
    )


def write_file(path: str, text: str) -> None:
    """Replaces a text file of node_exporter.

    Raises:
        ServingConfigError: it cannot be written.
    """
    try:
        write_atomically(Path(path), text)
    except OSError as error:
        raise ServingConfigError(f"monitor.metrics: {path} cannot be written ({error.strerror})") from None


def serve_metrics(address: str, model: str, store: MonitorStore) -> ThreadingHTTPServer:
    """Serves the figures on a thread, at every path; closing the server ends it.

    Raises:
        ServingConfigError: the address cannot be listened to.
    """
    host, _, port = address.rpartition(":")

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = write_figures(model, store).encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A scrape is no news."""

    try:
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), Page)
    except (OSError, OverflowError) as error:
        raise ServingConfigError(
            f"monitor.listen: {address} cannot be listened to ({error}); give another host or port"
        ) from None
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def _figures(feature: FeatureResult) -> Iterator[tuple[str, float]]:
    yield "hilir_drift_js", feature.size
    yield "hilir_drift_p_log10", math.log10(max(feature.p, _SMALLEST_P))
    yield "hilir_feature_level", Level[feature.level.upper()]
    if feature.rows:
        yield "hilir_missing_share", feature.missing / feature.rows
    if feature.tfdv is not None:
        yield "hilir_drift_tfdv", feature.tfdv
    if feature.new is not None:
        yield "hilir_new_category_share", feature.new


def _escape(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return escaped.encode("utf-8", "replace").decode()
