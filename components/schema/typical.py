"""What an empty cell of a column means that never had one: the schema says it, for the model to use when it serves.

preprocessing_fn needs such a column in each row, and nothing was learned of rows without it. Its typical value stands
in: the median of numbers, or the most frequent one of a category and of dates, times and numbers written as texts,
which could not be read from an empty one; other texts are empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from hilir.components.trainer.export.class_names import read_domain
from hilir.components.trainer.export.raw_features import TYPICAL

# TFDV has this in place of bytes that are not text.
_BYTES = "__BYTES_VALUE__"
# Dates, times and numbers, in any order and with any marks: 2026-01-31T10:30:00Z, 31.01.26, 1.234,5.
_READABLE = re.compile(r"[+-]?\d[\d\s.,:/TZ+-]*")


def note_typical(schema: schema_pb2.Schema, typical: Mapping[str, Any], names: Collection[str]) -> None:
    """Adds a tag with the typical value to each of the columns that has one.

    Args:
        schema: changed in place.
        typical: values by column.
        names: columns with one value in each row.
    """
    for feature in schema.feature:
        if feature.name in names and feature.name in typical:
            tag = json.dumps(typical[feature.name], ensure_ascii=False)
            feature.annotation.tag.append(f"{TYPICAL}{tag}")


def find_typical(schema: schema_pb2.Schema, statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, Any]:
    """Returns the typical values by column; bytes that are no text have none."""
    (dataset, *_) = statistics.datasets
    found = {each.path.step[0]: each for each in dataset.features if len(each.path.step) == 1}
    values = {name: _find_typical(each, read_domain(schema, name)) for name, each in found.items()}
    return {name: value for name, value in values.items() if value is not None}


def _find_typical(feature: statistics_pb2.FeatureNameStatistics, domain: Collection[str]) -> Any:
    if feature.HasField("num_stats"):
        # As the column stores it, in the fewest digits.
        median = feature.num_stats.median
        is_whole = feature.type == statistics_pb2.FeatureNameStatistics.INT
        return round(median) if is_whole else float(str(np.float32(median)))
    top = [each.value for each in feature.string_stats.top_values]
    if not top or _BYTES in top:
        return None
    is_typical = (domain and "" not in domain) or all(map(_READABLE.fullmatch, top))
    return top[0] if is_typical else ""
