"""The difference of two runs as lines for a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from hilir.pipeline.report.compare_runs import Comparison, Line, MetricLine
from hilir.pipeline.report.terminal import show_controls, show_number

# Slices that are shown unless all are asked for.
_MOST_SLICES = 8


def write_lines(comparison: Comparison, *, everything: bool = False) -> Iterator[str]:
    """Yields the difference; with `everything` every metric of every slice."""
    yield f"A  {show_controls(comparison.one.run_id)}"
    yield f"B  {show_controls(comparison.other.run_id)}"
    yield from _section("outcome", comparison.outcome)
    yield from _metrics(comparison.metrics, everything)
    yield from _section("configuration", comparison.config)
    yield from _section("data", comparison.data)
    yield from _section("code", comparison.code)


def _section(title: str, lines: Sequence[Line]) -> Iterator[str]:
    yield ""
    if not lines:
        yield f"{title}: the same"
        return
    yield title
    width = min(max(len(show_controls(line.name)) for line in lines), 60)
    for line in lines:
        yield f"  {show_controls(line.name):<{width}}  {_show(line.one)} → {_show(line.other)}"


def _metrics(lines: Sequence[MetricLine], everything: bool) -> Iterator[str]:
    yield ""
    if not lines:
        yield "metrics: neither run evaluated a model"
        return
    shown = list(lines) if everything else [*_overall(lines), *_most_changed(lines)]
    yield "metrics"
    width = min(max(len(_name(line)) for line in shown), 60)
    for line in shown:
        yield f"  {_name(line):<{width}}  {_number(line.one):>12} → {_number(line.other):>12}  {_change(line)}".rstrip()
    if len(shown) < len(lines):
        yield f"  ({len(lines) - len(shown)} more metrics of slices; --all shows them)"


def _overall(lines: Sequence[MetricLine]) -> list[MetricLine]:
    return [line for line in lines if line.part == "overall"]


def _most_changed(lines: Sequence[MetricLine]) -> list[MetricLine]:
    """Returns the slices that the first metric with a direction changed most in."""
    judged = [line for line in lines if line.part != "overall" and line.better]
    main = next((line.metric for line in judged), None)
    chosen = [line for line in judged if line.metric == main]
    return sorted(chosen, key=lambda line: -abs((line.other or 0.0) - (line.one or 0.0)))[:_MOST_SLICES]


def _name(line: MetricLine) -> str:
    return show_controls(f"{line.metric}, {'all rows' if line.part == 'overall' else line.part}")


def _change(line: MetricLine) -> str:
    if line.one is None or line.other is None:
        return ""
    word = {1: "better", -1: "worse", 0: ""}[line.better]
    return f"{line.other - line.one:+.4f} {word}" if line.other != line.one else ""


def _number(value: float | None) -> str:
    return "–" if value is None else show_number(value)


def _show(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    return show_controls(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def write_json(comparison: Comparison) -> str:
    """Returns the difference as one line of JSON."""
    sections = ("outcome", "config", "data", "code", "steps")
    found = {
        "one": comparison.one.run_id,
        "other": comparison.other.run_id,
        **{
            name: [{"name": line.name, "one": line.one, "other": line.other} for line in getattr(comparison, name)]
            for name in sections
        },
        "metrics": [
            {"slice": line.part, "metric": line.metric, "one": line.one, "other": line.other, "better": line.better}
            for line in comparison.metrics
        ],
    }
    return json.dumps(found, default=str)
