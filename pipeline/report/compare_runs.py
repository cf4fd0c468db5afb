"""What differs between two runs: configuration, data, code, metrics by slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hilir.analysis.measures import Measure, complete, read_measures
from hilir.pipeline.report.document import Document

# A feature has changed if its mean moved by this many standard deviations, or a share by this much.
_MOVED_MEAN, _MOVED_SHARE = 0.1, 0.01
_ABSENT = None


@dataclass(frozen=True)
class Line:
    """Something that differs; None where a run does not have it."""

    name: str
    one: Any
    other: Any


@dataclass(frozen=True)
class MetricLine:
    """A metric over a slice; `better` is 1 where the second run is better, -1 where it is worse, 0 otherwise."""

    part: str
    metric: str
    one: float | None
    other: float | None
    better: int


@dataclass(frozen=True)
class Comparison:
    """The difference of two runs.

    Attributes:
        one, other: the runs.
        outcome: status, version and time of both.
        config: values of the configuration that differ.
        data: rows, spans, fingerprint, and features that are new, gone or distributed otherwise.
        code: fingerprint, commit and packages that differ.
        metrics: every metric over every slice, all rows first.
        steps: seconds of each step of both, with its state.
    """

    one: Document
    other: Document
    outcome: Sequence[Line]
    config: Sequence[Line]
    data: Sequence[Line]
    code: Sequence[Line]
    metrics: Sequence[MetricLine]
    steps: Sequence[Line]


def compare(one: Document, other: Document) -> Comparison:
    """Returns what differs from the run `one` to the run `other`."""
    return Comparison(
        one=one,
        other=other,
        outcome=[
            Line("status", one.status, other.status),
            Line("version", one.pushed.get("version"), other.pushed.get("version")),
            Line("seconds", one.seconds, other.seconds),
        ],
        config=_differences(
            {key: value for key, value, *_ in one.config}, {key: value for key, value, *_ in other.config}
        ),
        data=[*_compare_source(one, other), *_compare_features(one, other)],
        code=_differences(_code(one), _code(other)),
        metrics=list(_compare_metrics(one, other)),
        steps=_compare_steps(one, other),
    )


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Line]:
    names = [*one, *(name for name in other if name not in one)]
    return [
        Line(name, one.get(name, _ABSENT), other.get(name, _ABSENT))
        for name in names
        if one.get(name, _ABSENT) != other.get(name, _ABSENT)
    ]


def _compare_source(one: Document, other: Document) -> list[Line]:
    found = [
        {
            **{f"rows {split}": count for split, count in document.statistics.get("splits", {}).items()},
            **{
                name: value
                for name, value in document.lineage.get("data", {}).items()
                if name in ("span", "version", "fingerprint")
            },
        }
        for document in (one, other)
    ]
    return _differences(*found)


def _compare_features(one: Document, other: Document) -> Iterator[Line]:
    """Yields the features of the first split that are new, gone, or distributed otherwise."""
    before, now = _first_splits(one), _first_splits(other)
    if not before or not now:
        return
    for name in [*before, *(name for name in now if name not in before)]:
        if name not in now:
            yield Line(f"feature {name}", "there", None)
        elif name not in before:
            yield Line(f"feature {name}", None, "there")
        else:
            yield from _compare_feature(name, before[name], now[name])


def _first_splits(document: Document) -> dict[str, Mapping[str, Any]]:
    features = document.statistics.get("features", [])
    return {feature["name"]: next(iter(feature["splits"].values()), {}) for feature in features}


def _compare_feature(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Line]:
    shares = [each["missing"] / each["rows"] if each.get("rows") else 0.0 for each in (one, other)]
    if abs(shares[0] - shares[1]) >= _MOVED_SHARE:
        yield Line(f"feature {name}: share missing", *shares)
    if one.get("mean") is not None and other.get("mean") is not None:
        if (
            abs(one["mean"] - other["mean"]) >= _MOVED_MEAN * (one.get("deviation") or 0.0)
            and one["mean"] != other["mean"]
        ):
            yield Line(f"feature {name}: mean", one["mean"], other["mean"])
    elif one.get("top") and other.get("top"):
        first, second = (_top_shares(each) for each in (one, other))
        moved = max({**first, **second}, key=lambda value: (abs(first.get(value, 0.0) - second.get(value, 0.0)), value))
        if abs(first.get(moved, 0.0) - second.get(moved, 0.0)) >= _MOVED_SHARE:
            yield Line(f"feature {name}: share of '{moved}'", first.get(moved, 0.0), second.get(moved, 0.0))


def _top_shares(feature: Mapping[str, Any]) -> dict[str, float]:
    total = sum(count for _, count in feature["top"]) + (feature.get("other") or 0) or 1
    return {str(value): count / total for value, count in feature["top"]}


def _code(document: Document) -> dict[str, Any]:
    packages = document.lineage.get("packages", {})
    return {**document.lineage.get("code", {}), **{f"package {name}": number for name, number in packages.items()}}


def _compare_metrics(one: Document, other: Document) -> Iterator[MetricLine]:
    before, now = one.metrics, other.metrics
    names = (name for metrics in (before, now) for values in metrics.values() for name in values)
    measures = complete(read_measures(other.evaluate or one.evaluate), names)
    parts = [*now, *(part for part in before if part not in now)]
    for part in parts:
        for measure in measures:
            was, found = (metrics.get(part, {}).get(measure.name) for metrics in (before, now))
            if was is not None or found is not None:
                yield MetricLine(part, measure.name, was, found, _judge(measure, was, found))


def _judge(measure: Measure, one: float | None, other: float | None) -> int:
    if one is None or other is None or one == other or not measure.better:
        return 0
    return 1 if (other - one) * measure.better > 0 else -1


def _compare_steps(one: Document, other: Document) -> list[Line]:
    found = [{step["id"]: (step["seconds"], step["state"]) for step in document.steps} for document in (one, other)]
    names = [*found[0], *(name for name in found[1] if name not in found[0])]
    return [Line(name, found[0].get(name), found[1].get(name)) for name in names]
