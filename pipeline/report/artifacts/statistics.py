"""Reads what StatisticsGen wrote: figures and histograms per feature and split."""

from __future__ import annotations

import math
import os
from typing import Any

_FILE = "FeatureStats.pb"
# Categories that are drawn by name; the others are counted together.
_TOP_VALUES = 10
# Microseconds since 1970 are larger; six digits of them are hours.
_TIME = 1e14
_KINDS = {0: "int", 1: "float", 2: "string", 3: "bytes", 4: "struct"}


def read_statistics(uri: str) -> dict[str, Any]:
    """Returns the statistics of each split.

    - `splits`: the number of rows by split;
    - `features`: per feature `{name, kind, splits}`, and per split `{rows, missing, …}`: of numbers `mean, deviation,
      zeros, min, median, max` and `histogram` with `edges` and `counts`; of others `unique`, `top` (value and count,
      the most frequent first) and `other`, the count of all values that are not in `top`.
    """
    splits: dict[str, int] = {}
    features: dict[str, dict[str, Any]] = {}
    for split, dataset in _datasets(uri):
        splits[split] = int(dataset.num_examples)
        for feature in dataset.features:
            name = feature.name or ".".join(feature.path.step)
            found = features.setdefault(name, {"name": name, "kind": _KINDS.get(feature.type, "other"), "splits": {}})
            found["splits"][split] = _describe(feature, dataset.num_examples)
    return {"splits": splits, "features": list(features.values())}


def count_features(uri: str) -> int | None:
    """Returns the number of features, None where there are no statistics."""
    return next((len(dataset.features) for _, dataset in _datasets(uri)), None)


def _datasets(uri: str) -> list[tuple[str, Any]]:
    """Returns name and statistics of each split, `train` first."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = []
    for name in sorted(os.listdir(uri) if os.path.isdir(uri) else [], key=lambda each: (each != "Split-train", each)):
        path = os.path.join(uri, name, _FILE)
        if os.path.exists(path):
            with open(path, "rb") as file:
                datasets = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read()).datasets
            found += [(name.removeprefix("Split-"), dataset) for dataset in datasets[:1]]
    return found


def _describe(feature: Any, rows: int) -> dict[str, Any]:
    kind = feature.WhichOneof("stats")
    stats = getattr(feature, kind) if kind else None
    common = stats.common_stats if stats is not None and hasattr(stats, "common_stats") else None
    present = int(common.num_non_missing) if common is not None else 0
    found: dict[str, Any] = {"rows": int(rows), "missing": int(rows) - present}
    if kind == "num_stats":
        found |= _describe_numbers(stats)
    elif kind == "string_stats":
        found |= _describe_strings(stats)
    return found


def _describe_numbers(stats: Any) -> dict[str, Any]:
    standard = next((each for each in stats.histograms if each.type == each.STANDARD), None)
    found = {
        "mean": finite(stats.mean),
        "deviation": finite(stats.std_dev),
        "zeros": int(stats.num_zeros),
        "min": finite(stats.min),
        "median": finite(stats.median),
        "max": finite(stats.max),
    }
    buckets = [
        bucket
        for bucket in (standard.buckets if standard is not None else ())
        if math.isfinite(bucket.low_value) and math.isfinite(bucket.high_value)
    ]
    if buckets and buckets[0].low_value < buckets[-1].high_value:
        edges = [buckets[0].low_value, *(bucket.high_value for bucket in buckets)]
        found["histogram"] = {
            "edges": [finite(edge) for edge in edges],
            "counts": [finite(bucket.sample_count) for bucket in buckets],
        }
    return found


def _describe_strings(stats: Any) -> dict[str, Any]:
    ranked = stats.rank_histogram.buckets
    top = [[bucket.label, finite(bucket.sample_count)] for bucket in ranked[:_TOP_VALUES]]
    present = stats.common_stats.tot_num_values or stats.common_stats.num_non_missing
    other = max(present - sum(count for _, count in top), 0) if top else 0
    return {"unique": int(stats.unique), "top": top, "other": finite(other)}


def finite(value: float) -> Any:
    """Returns six significant digits, of a time to the second; None for what JSON lacks: NaN and infinity."""
    digits = 10 if abs(value) >= _TIME else 6
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
