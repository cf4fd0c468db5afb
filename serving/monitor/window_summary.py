"""What the windows of the last hours show, by version and feature: rows of a table, and the same as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from hilir.analysis.drift import ALPHA, MIN_ROWS, Level, smallest_shift
from hilir.analysis.text import show_unprintable
from hilir.serving.errors import ServingConfigError
from hilir.serving.monitor.window import FeatureResult
from hilir.serving.monitor.window_quality import MetricResult
from hilir.serving.monitor.window_store import StoredWindow

_UNITS = {"m": 60, "h": 3600, "d": 86_400}
_LONGEST_DETAIL = 40


@dataclass(frozen=True)
class FeatureHistory:
    """A feature or a prediction of a version over several windows.

    Attributes:
        version: the version that answered.
        level: the highest of all windows.
        flagged: in how many windows there was a difference that is not chance.
        windows: in how many windows it was.
        sizes: its divergence in each window, the oldest first.
        worst: how it was in the window with the highest level, the newest of those.
        end: when that window ended, in seconds since 1970.
    """

    version: int
    level: str
    flagged: int
    windows: int
    sizes: list[float]
    worst: FeatureResult
    end: float


def parse_duration(text: str) -> float:
    """Returns the seconds of 90m, 24h or 7d.

    Raises:
        ServingConfigError: it is not a duration.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", text)
    if match is None:
        raise ServingConfigError(f"'{text}' is not a duration; write for example 90m, 24h or 7d")
    return float(match[1]) * _UNITS[match[2]]


def summarize(windows: Sequence[StoredWindow]) -> list[FeatureHistory]:
    """Returns each feature of each version, the worst first."""
    found: dict[tuple[int, str, str], list[tuple[StoredWindow, FeatureResult]]] = {}
    for window in windows:
        for feature in window.result.features:
            found.setdefault((window.version, feature.kind, feature.name), []).append((window, feature))
    histories = []
    for (version, _, _), seen in found.items():
        window, worst = max(seen, key=lambda each: (Level[each[1].level.upper()], each[0].id))
        flagged = sum(feature.level != "none" for _, feature in seen)
        sizes = [feature.size for _, feature in seen]
        histories.append(
            FeatureHistory(version, worst.level, flagged, len(seen), sizes, worst, window.result.last)
        )  # fmt: skip
    return sorted(histories, key=_rank)


def count_streaks(windows: Sequence[StoredWindow], level: Level) -> dict[tuple[int, str, str], int]:
    """Returns in how many of a version's newest windows in a row a feature had a level, by (version, kind, name)."""
    streaks: dict[tuple[int, str, str], int] = {}
    for window in windows:
        for feature in window.result.features:
            key = (window.version, feature.kind, feature.name)
            streaks[key] = streaks.get(key, 0) + 1 if Level[feature.level.upper()] >= level else 0
    return streaks


def count_worse(windows: Sequence[StoredWindow], kind: str) -> dict[tuple[int, str], int]:
    """Returns in how many of a version's newest windows in a row a metric was worse than its bound."""
    streaks: dict[tuple[int, str], int] = {}
    for window in windows:
        for metric in window.result.quality:
            if metric.kind == kind:
                key = (window.version, metric.metric)
                streaks[key] = streaks.get(key, 0) + 1 if metric.is_worse else 0
    return streaks


def describe(model: str, windows: Sequence[StoredWindow], histories: Sequence[FeatureHistory]) -> dict[str, Any]:
    """Returns the summary as JSON; times are in seconds since 1970."""
    return {
        "model": model,
        "level": max((each.result.level for each in windows), key=lambda name: Level[name.upper()], default="none"),
        "windows": [
            {"id": each.id, "version": each.version}
            | {key: getattr(each.result, key) for key in ("first", "last", "rows", "requests", "level", "absent")}
            | {"quality": [asdict(metric) | {"is_worse": metric.is_worse} for metric in each.result.quality]}
            for each in windows
        ],
        "features": [asdict(each) for each in histories],
    }


def write_lines(
    model: str, windows: Sequence[StoredWindow], histories: Sequence[FeatureHistory], since: str
) -> Iterator[str]:
    """Yields the summary as lines for a terminal."""
    if not windows:
        yield f"{model}: no window was closed in the last {since}"
        return
    rows = sum(each.result.rows for each in windows)
    versions = sorted({each.version for each in windows})
    named = f"version {versions[0]}" if len(versions) == 1 else f"versions {', '.join(map(str, versions))}"
    count = f"{len(windows)} window{'s' * (len(windows) != 1)}"
    yield f"{model}: {count} with {rows:,} rows in the last {since}, answered by {named}"
    small = sum(each.result.rows < MIN_ROWS for each in windows)
    if small:
        yield f"  {small} of them have fewer than {MIN_ROWS} rows, too few to decide anything"
    for version in versions:
        if not any(each.result.features for each in windows if each.version == version):
            yield f"  version {version} carries no reference that fits its requests; push it again"
    if not histories:
        return
    yield ""
    yield from _write_table(histories)
    yield from _write_quality(windows)
    yield ""
    yield from _explain(windows, histories)


def write_window(version: int, window: Any, has_reference: bool) -> str:
    """Returns a closed window as one line."""
    when = f"{datetime.fromtimestamp(window.last, UTC):%Y-%m-%d %H:%M:%S}Z"
    head = f"{when}  version {version}  {window.rows} rows  "
    if not has_reference:
        return head + "no reference to compare with"
    if window.rows < MIN_ROWS:
        return head + f"fewer than {MIN_ROWS} rows: nothing is decided"
    if not window.features:
        return head + "no feature of the reference is in the log"
    worst = [each for each in window.features if each.level != "none"][:5]
    named = "; ".join(
        f"{show_unprintable(each.name)} {each.level} ({each.what}, {each.size:.3f} bits)" for each in worst
    )
    return head + (f"{window.level}: {named}" if worst else "no drift")


def _write_table(histories: Sequence[FeatureHistory]) -> Iterator[str]:
    head = ("", "level", "version", "windows", "what", "size", "tfdv", "missing", "detail")
    lines = [head, *(_cells(each) for each in histories)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _write_quality(windows: Sequence[StoredWindow]) -> Iterator[str]:
    """Yields the metrics of each version in its newest window that has any."""
    newest = {each.version: each for each in windows if each.result.quality}
    for version, window in sorted(newest.items()):
        yield ""
        yield f"  quality of version {version} in its newest window ({window.result.rows:,} rows)"
        for each in window.result.quality:
            value, low, high, reference, bound = (
                _write_metric(each, number) for number in (each.value, each.low, each.high, each.reference, each.bound)
            )
            interval = f" ({low} to {high})" if low else ""
            coverage = "" if each.coverage is None else f", outcomes of {each.coverage:.0%} of the rows"
            verdict = f", at {'most' if each.is_error else 'least'} {bound} expected" if bound else ""
            worse = "  WORSE" if each.is_worse else ""
            yield (
                f"    {each.metric:<14} {each.kind:<9} {value}{interval}; "
                f"evaluation {reference}{verdict}{coverage}{worse}"
            )


def _write_metric(metric: MetricResult, number: float | None) -> str:
    """Returns a share with three decimals, and an error, which is in the label's own unit, with four digits."""
    if number is None:
        return ""
    if not metric.is_error:
        return f"{number:.3f}"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def _cells(history: FeatureHistory) -> tuple[str, ...]:
    worst = history.worst
    detail = show_unprintable(worst.detail if history.level != "none" else "")
    if worst.new_values and worst.what in ("new", "distribution") and history.level != "none":
        detail = f"new: {', '.join(show_unprintable(value) for value in worst.new_values[:3])}"
    if worst.outside:
        detail += f"{'; ' if detail else ''}{worst.outside} far outside the training range"
    if worst.faults:
        detail += f"{'; ' if detail else ''}{worst.faults} values are not numbers"
    name = show_unprintable(worst.name) + (" (prediction)" if worst.kind == "prediction" else "")
    return (
        name,
        history.level if history.level != "none" else "-",
        str(history.version),
        f"{history.flagged} of {history.windows}",
        worst.what if history.level != "none" else "",
        f"{worst.size:.4f}",
        "" if worst.tfdv is None else f"{worst.tfdv:.4f}",
        f"{worst.missing / worst.rows:.1%}" if worst.rows else "",
        detail if len(detail) <= _LONGEST_DETAIL else f"{detail[: _LONGEST_DETAIL - 1]}…",
    )


def _explain(windows: Sequence[StoredWindow], histories: Sequence[FeatureHistory]) -> Iterator[str]:
    rows = min((each.result.rows for each in windows if each.result.rows >= MIN_ROWS), default=0)
    features = len({(each.worst.kind, each.worst.name) for each in histories})
    yield "  seen: not chance (size 0.00 to 0.02); warn: size from 0.02; alarm: size from 0.10 bits (Jensen-Shannon)"
    if rows:
        shift = smallest_shift(rows, 20_000, features, alpha=ALPHA)
        yield f"  the smallest window ({rows} rows) sees a shift of {shift:.2f} standard deviations in 8 of 10 cases"
    absent = sorted({name for each in windows for name in each.result.absent})
    if absent:
        yield f"  not in the log: {', '.join(map(show_unprintable, absent))}"


def _rank(history: FeatureHistory) -> tuple[Any, ...]:
    return -Level[history.level.upper()], -history.worst.size, history.version, history.worst.kind, history.worst.name
