from __future__ import annotations

import pandas as pd
import tensorflow_data_validation as tfdv

from hilir.components.schema.typical import find_typical, note_typical
from hilir.components.trainer.export.raw_features import make_raw_features


def test_median_and_most_frequent_category_are_noted_and_read():
    from tensorflow_transform.tf_metadata import schema_utils

    frame = pd.DataFrame(
        {
            "size": [1.5, 2.5, 100.0] * 20,
            "count": [1, 2, 7] * 20,
            "island": ["Dream", "Dream", "Ö"] * 20,
            "text": [f"words {at}" for at in range(60)],
            "day": ["2024-01-31T10:30:00Z"] * 2
            + [f"2024-02-{at % 28 + 1:02d}T{at % 24:02d}:00:00Z" for at in range(58)],
            "label": [1, 2, 3] * 20,
        }
    )
    statistics = tfdv.generate_statistics_from_dataframe(frame)
    schema = tfdv.infer_schema(statistics, infer_feature_shape=True, max_string_domain_size=10)
    note_typical(schema, find_typical(schema, statistics), {"size", "count", "island", "text", "day"})
    tags = {feature.name: list(feature.annotation.tag) for feature in schema.feature}
    assert tags == {
        "size": ["hilir.typical=2.5"],
        "count": ["hilir.typical=2"],
        "island": ['hilir.typical="Dream"'],
        "text": ['hilir.typical=""'],
        "day": ['hilir.typical="2024-01-31T10:30:00Z"'],
        "label": [],
    }
    raw = make_raw_features(schema_utils.schema_as_feature_spec(schema).feature_spec, schema)
    assert {name: found.typical for name, found in raw.items()} == {
        "size": 2.5, "count": 2, "island": "Dream", "text": "", "day": "2024-01-31T10:30:00Z", "label": None,
    }  # fmt: skip
