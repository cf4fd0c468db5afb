"""What an empty cell of a column means that never had one: the schema says it, for the model to use when it serves.

preprocessing_fn needs such a column in each row, and nothing was learned of rows without it. Its typical value stands
in: the median of numbers, or the most frequent one of a category. Other strings have none: an empty one may be a value.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from hilir.components.trainer.export.class_names import read_domain
from hilir.components.trainer.export.raw_features import TYPICAL


def note_typical(
    schema: schema_pb2.Schema, statistics: statistics_pb2.DatasetFeatureStatisticsList, names: Collection[str]
) -> None:
    """Adds a tag with the typical value to each of the columns.

    Args:
        schema: changed in place.
        statistics: of the training data.
        names: columns with one value in each row.
    """
    (dataset, *_) = statistics.datasets
    found = {each.path.step[0]: _find_typical(each) for each in dataset.features if len(each.path.step) == 1}
    for feature in schema.feature:
        value = found.get(feature.name) if feature.name in names else None
        if feature.type == schema_pb2.BYTES and "" in (read_domain(schema, feature.name) or ("",)):
            continue
        if value is not None:
            feature.annotation.tag.append(f"{TYPICAL}{json.dumps(value, ensure_ascii=False)}")


def _find_typical(feature: statistics_pb2.FeatureNameStatistics) -> Any:
    """Returns the value, None where there is none that can be written down."""
    if feature.HasField("num_stats"):
        median = feature.num_stats.median
        return round(median) if feature.type == statistics_pb2.FeatureNameStatistics.INT else median
    top = feature.string_stats.top_values
    # TFDV has this in place of bytes that are not text.
    return top[0].value if top and top[0].value not in ("", "__BYTES_VALUE__") else None
