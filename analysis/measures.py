"""Metrics in words: which way is better, the bounds, where the model is weak."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hilir.analysis.directions import COUNTS, find_direction

# A slice with fewer rows is too small to be called weak.
FEW_ROWS = 30


@dataclass(frozen=True)
class Measure:
    """A metric.

    Attributes:
        name: its name.
        better: 1 where higher is better, -1 where lower is, 0 where neither is.
        counts: whether it counts rows.
    """

    name: str
    better: int
    counts: bool = False


@dataclass(frozen=True)
class Bound:
    """A threshold as it applies to one slice: `value` is the metric's, None where it was not computed."""

    metric: str
    part: str
    low: float | None
    high: float | None
    value: float | None
    change: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether the value keeps both bounds; None where there is no value, or nothing but a bound on the change."""
        if self.value is None or (self.low is None and self.high is None):
            return None
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)


def read_measures(evaluate: Mapping[str, Any]) -> list[Measure]:
    """Returns the metrics of the section `evaluate` of a configuration, in its order."""
    kinds = dict(_list_kinds(evaluate))
    directions = {bound["metric"]: _direction_of(bound, kinds) for bound in evaluate.get("thresholds", [])}
    return [Measure(name, directions.get(name) or _direction(kind), kind in COUNTS) for name, kind in kinds.items()]


def _list_kinds(evaluate: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields name and class of each metric."""
    for metric in evaluate.get("metrics", []):
        parts = metric.get("class_id")
        for name in [f"{metric['name']}_{part}" for part in parts] if isinstance(parts, list) else [metric["name"]]:
            yield name, metric["class"]


def complete(measures: Sequence[Measure], names: Iterable[str]) -> list[Measure]:
    """Returns the measures with one for each further name, whose direction is guessed from the name."""
    known = {measure.name for measure in measures}
    return [
        *measures,
        *(Measure(name, _direction(name), name.lower().endswith("count")) for name in sorted(set(names) - known)),
    ]


def _direction_of(bound: Mapping[str, Any], kinds: Mapping[str, str]) -> int:
    """Returns the direction that a threshold says, else that of its metric, else that of its only bound."""
    if bound.get("better") is not None:
        return -1 if bound["better"] == "lower" else 1
    name = bound["metric"]
    return find_direction(kinds.get(name, ""), name) or (
        -1 if bound.get("max") is not None and bound.get("min") is None else 1
    )


def _direction(name: str) -> int:
    found = find_direction(name)
    return 1 if found is None else found


def find_bounds(evaluate: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float]]) -> list[Bound]:
    """Returns each threshold for each slice that it applies to."""
    found = []
    kinds = dict(_list_kinds(evaluate))
    for bound in evaluate.get("thresholds", []):
        name, part = bound["metric"], bound.get("slice")
        parts = ["overall"] if part is None else _slices_of(evaluate.get("slices", {}).get(part, {}), metrics)
        change = _describe_change(bound.get("change") or {}, _direction_of(bound, kinds))
        found += [
            Bound(name, each, bound.get("min"), bound.get("max"), metrics.get(each, {}).get(name), change)
            for each in parts
        ]
    return found


def _describe_change(change: Mapping[str, Any], better: int) -> str:
    worse = "fall" if better > 0 else "rise"
    parts = [f"{abs(change['absolute']):g}"] if change.get("absolute") is not None else []
    parts += [f"{abs(change['relative']):.2%}"] if change.get("relative") is not None else []
    return f"{worse} by at most {' and '.join(parts)}" if parts else ""


def _slices_of(section: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    """Returns the names of the parts of a slice: one of given values, or one per value of its columns."""
    columns = section.get("features") or []
    fixed = {name: str(value) for name, value in (section.get("values") or {}).items()}
    found = []
    for name in metrics:
        pairs = dict(pair.partition("=")[::2] for pair in name.split(", ") if "=" in pair)
        wanted = set(columns) | set(fixed)
        if set(pairs) == wanted and wanted and all(pairs[key] == value for key, value in fixed.items()):
            found.append(name)
    return found


def main_measure(evaluate: Mapping[str, Any], measures: Sequence[Measure]) -> Measure | None:
    """Returns the metric that counts most: that of the first threshold, else the first with a direction."""
    named = [bound["metric"] for bound in evaluate.get("thresholds", [])]
    chosen = [measure for name in named[:1] for measure in measures if measure.name == name]
    return next(iter([*chosen, *(measure for measure in measures if measure.better)]), None)


def count_rows(measures: Sequence[Measure], values: Mapping[str, float]) -> int | None:
    """Returns the number of rows of a slice, None where no metric counts them."""
    return next((int(values[m.name]) for m in measures if m.counts and values.get(m.name) is not None), None)


def find_weak(
    metrics: Mapping[str, Mapping[str, float]], measure: Measure, measures: Sequence[Measure], most: int = 3
) -> list[tuple[str, float, int | None]]:
    """Returns name, value and rows of the slices that are worse than all rows together as they are shown, worst first.

    Those with fewer than `FEW_ROWS` rows are passed over.
    """
    whole = metrics.get("overall", {}).get(measure.name)
    if whole is None or not measure.better:
        return []
    found = []
    for name, values in metrics.items():
        value, rows = values.get(measure.name), count_rows(measures, values)
        if name == "overall" or value is None or value != value or (rows is not None and rows < FEW_ROWS):
            continue
        if (value - whole) * measure.better < 0 and f"{value:.4g}" != f"{whole:.4g}":
            found.append((name, value, rows))
    return sorted(found, key=lambda each: (each[1] * measure.better, each[0]))[:most]


def sort_slices(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    """Returns the slices as a person would sort them: all rows (`overall`), then `hour=9` before `hour=10`."""

    def place(name: str) -> tuple[bool, list[tuple[bool, int, str]]]:
        parts = re.split(r"(\d+)", name)
        return name != "overall", [(part.isdecimal(), len(part) if part.isdecimal() else 0, part) for part in parts]

    return {name: metrics[name] for name in sorted(metrics, key=place)}
