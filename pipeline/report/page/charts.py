"""The charts of a report, from its document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from hilir.analysis.measures import Bound, Measure
from hilir.analysis.plot import (
    Interval,
    Node,
    Series,
    draw_graph,
    histogram,
    interval_chart,
    line_chart,
    matrix_chart,
    paired_bars,
    simplify,
    sparkline,
)
from hilir.pipeline.report.document import Document
from hilir.pipeline.report.page.page_text import clean, duration, show, show_day, show_time

_BINS = 20
_MOST_CLASSES = 25
_FEW_ROWS = 10
_MOST_SLICES = 40
# Bins around whole numbers begin and end between them.
_HALF = 0.5
# From 1973 to 2100; whole numbers so large are hardly ever anything else.
_TIMES = (1e14, 4.1e15)
_FEW_DAYS = 4 * 86_400 * 1e6


def draw_steps(document: Document) -> Markup:
    """Returns the graph of the steps with their times and states."""
    states = {"done": "done", "cached": "cached", "failed": "failed"}
    nodes = [
        Node(clean(step["id"]), _detail(step), states.get(step["state"], ""))
        for step in document.steps
    ]  # fmt: skip
    edges = [(clean(start), clean(end)) for start, end in _without_shortcuts(document.edges)]
    return Markup(draw_graph("Steps of the run", nodes, edges))  # noqa: S704 - escaped where it is drawn


def _without_shortcuts(edges: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Returns the edges without those that a longer way between the same nodes implies."""
    after: dict[str, set[str]] = {}
    for start, end in edges:
        after.setdefault(start, set()).add(end)

    def reaches(start: str, end: str, seen: set[str]) -> bool:
        ways = after.get(start, set()) - seen
        return end in ways or any(reaches(way, end, seen | {start}) for way in ways)

    return [
        (start, end)
        for start, end in map(tuple, edges)
        if not any(reaches(way, end, {start}) for way in after[start] - {end})
    ]


def _detail(step: Mapping[str, Any]) -> str:
    if step["state"] in ("waiting", "skipped"):
        return str(step["state"])
    mark = " (cached)" if step["state"] == "cached" else ""
    return f"{duration(step['seconds'])}{mark}"


def draw_feature(feature: Mapping[str, Any]) -> Markup | None:
    """Returns the distribution of a feature in each split; None where there is nothing to draw."""
    name, splits = clean(feature["name"]), feature["splits"]
    numbers = {split: found["histogram"] for split, found in splits.items() if found.get("histogram")}
    if numbers:
        edges = _common_edges([each["edges"] for each in numbers.values()], whole=feature["kind"] == "int")
        share = _gather if edges[0] % 1 == _HALF else _spread
        counts = [(split, share(found["edges"], found["counts"], edges)) for split, found in numbers.items()]
        return Markup(histogram(f"{name} by split", edges, counts, show_x=choose_form(feature)))  # noqa: S704
    tops = {split: dict(map(tuple, found["top"])) for split, found in splits.items() if found.get("top")}
    if not tops:
        return None
    labels = list(next(iter(tops.values())))
    shares = []
    for split, top in tops.items():
        total = sum(top.values()) + (splits[split].get("other") or 0) or 1
        shares.append((split, [top.get(label, 0) / total for label in labels]))
    return Markup(paired_bars(f"{name} by split", [clean(label) for label in labels], shares))  # noqa: S704


def choose_form(feature: Mapping[str, Any]) -> Callable[[float | None], str]:
    """Returns what writes the values of a feature.

    They are times if all could be, as the ingest writes them: microseconds since 1970-01-01.
    """
    splits = [found for found in feature["splits"].values() if "mean" in found]
    ends = [found.get(end) for found in splits for end in ("min", "max")]
    if feature["kind"] != "int" or not ends or not all(end and _TIMES[0] <= end <= _TIMES[1] for end in ends):
        return show
    return show_day if max(ends) - min(ends) > _FEW_DAYS else show_time


def _common_edges(all_edges: Sequence[Sequence[float]], *, whole: bool) -> list[float]:
    """Returns the edges of bins for all; around each number where whole ones are in buckets of their own."""
    low, high = min(edges[0] for edges in all_edges), max(edges[-1] for edges in all_edges)
    if whole and high - low < min(len(edges) for edges in all_edges) - 1:
        return [low - _HALF + number for number in range(int(high - low) + 2)]
    step = (high - low) / _BINS
    return [*(low + number * step for number in range(_BINS)), high]


def _gather(edges: Sequence[float], counts: Sequence[float], onto: Sequence[float]) -> list[float]:
    """Returns the counts by whole number; a bucket's go to the one in it, which its upper end is not.

    `onto`: edges of bins around whole numbers.
    """
    numbers = [low + _HALF for low in onto[:-1]]
    found = [0.0] * len(numbers)
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        last = right == edges[-1]
        inside = [at for at, number in enumerate(numbers) if left <= number < right or (last and number == right)]
        for place in inside:
            found[place] += count / len(inside)
    return found


def _spread(edges: Sequence[float], counts: Sequence[float], onto: Sequence[float]) -> list[float]:
    """Returns the counts in other bins, with each bucket spread evenly over its width."""
    found = [0.0] * (len(onto) - 1)
    step = onto[1] - onto[0]
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        if right <= left:
            found[min(int((left - onto[0]) / step), len(found) - 1)] += count
            continue
        first = max(int((left - onto[0]) / step), 0)
        for place in range(first, len(found)):
            overlap = min(right, onto[place + 1]) - max(left, onto[place])
            if overlap <= 0 and onto[place] >= right:
                break
            found[place] += count * max(overlap, 0.0) / (right - left)
    return found


def draw_curve(name: str, runs: Mapping[str, Sequence[Sequence[float]]]) -> Markup:
    """Returns one metric over the epochs, of the training and of the validation."""
    series = [
        Series(run, [(x, float("nan") if y is None else y) for x, y in simplify([(x, y) for x, y in points])])
        for run, points in runs.items()
    ]
    return Markup(line_chart(f"{clean(name)} by epoch", series, x_label="epoch", y_label=clean(name), whole_x=True))  # noqa: S704


def draw_slices(
    document: Document,
    measure: Measure,
    bounds: Sequence[Bound],
    intervals: Mapping[tuple[str, str], tuple[float, float]],
) -> Markup:
    """Returns a metric by slice, with its interval, its bounds and the baseline's values; of many slices the first."""
    limits = {bound.part: bound for bound in bounds if bound.metric == measure.name}
    before = document.evaluation.get("baseline", {})
    rows = []
    for part, values in list(document.metrics.items())[:_MOST_SLICES]:
        value = values.get(measure.name)
        if value is None or value != value:
            continue
        limit = limits.get(part)
        bound = None if limit is None else limit.low if limit.low is not None else limit.high
        was = before.get(part, {}).get(measure.name)
        low, high = intervals.get((part, measure.name), (value, value))
        rows.append(Interval(clean("all rows" if part == "overall" else part), value, low, high, bound, was))
    return Markup(interval_chart(f"{clean(measure.name)} by slice", rows))  # noqa: S704


def draw_plots(plots: Mapping[str, Any], classes: Sequence[str]) -> list[tuple[str, Markup]]:
    """Returns (heading, chart) of what TFMA computed for one output over all rows."""
    found = []
    thresholds = [each for each in plots.get("thresholds", []) if 0 <= (each["threshold"] or 0) <= 1]
    if thresholds:
        found += [("ROC curve", _roc(thresholds)), ("Precision and recall", _precision_recall(thresholds))]
        found.append(("Confusion at the threshold 0.5", _confusion(thresholds, classes)))
    if plots.get("calibration"):
        found.append((f"Calibration, buckets of at least {_FEW_ROWS} rows", _calibration(plots["calibration"])))
    if plots.get("classes"):
        found.append(("Confusion matrix", _classes(plots["classes"], classes)))
    return found


def _roc(thresholds: Sequence[Mapping[str, float]]) -> Markup:
    points = sorted(
        {
            (
                _share(each["false_positives"], each["true_negatives"]),
                _share(each["true_positives"], each["false_negatives"]),
            )
            for each in thresholds
        }
    )  # fmt: skip
    series = [Series("model", simplify(points)), Series("chance", [(0, 0), (1, 1)])]
    return Markup(line_chart("ROC curve", series, x_label="false positive rate", y_label="true positive rate"))  # noqa: S704


def _precision_recall(thresholds: Sequence[Mapping[str, float]]) -> Markup:
    points = sorted(
        {
            (each["recall"], each["precision"])
            for each in thresholds
            if each["recall"] is not None and each["precision"] is not None
            and each["true_positives"] + each["false_positives"] > 0
        }
    )  # fmt: skip
    return Markup(  # noqa: S704
        line_chart("Precision by recall", [Series("model", simplify(points))], x_label="recall", y_label="precision")
    )


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest else 0.0


def _confusion(thresholds: Sequence[Mapping[str, float]], classes: Sequence[str]) -> Markup:
    chosen = min(thresholds, key=lambda each: abs(each["threshold"] - 0.5))
    counts = [
        [chosen["true_negatives"], chosen["false_positives"]],
        [chosen["false_negatives"], chosen["true_positives"]],
    ]
    labels = [clean(str(name)) for name in classes] if len(classes) == 2 else ["no", "yes"]
    return Markup(matrix_chart("Confusion matrix at 0.5", labels, counts, cell=72))  # noqa: S704


def _calibration(buckets: Sequence[Mapping[str, float]]) -> Markup:
    points = [(each["mean_score"], each["mean_label"]) for each in buckets if each["rows"] >= _FEW_ROWS]
    series = [Series("model", sorted(points)), Series("ideal", [(0, 0), (1, 1)])]
    return Markup(line_chart("Calibration", series, x_label="mean score", y_label="share of positives"))  # noqa: S704


def _classes(pairs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Markup:
    known = sorted({int(pair[name]) for pair in pairs for name in ("label", "predicted")})[:_MOST_CLASSES]
    counts = {(int(pair["label"]), int(pair["predicted"])): pair["rows"] for pair in pairs}
    labels = [clean(str(names[number])) if number < len(names) else str(number) for number in known]
    matrix = [[counts.get((row, column), 0) for column in known] for row in known]
    return Markup(matrix_chart("Confusion matrix", labels, matrix))  # noqa: S704


def draw_sparkline(title: str, values: Sequence[float]) -> Markup:
    """Returns a curve as high as a line of text."""
    return Markup(sparkline(clean(title), values))  # noqa: S704
