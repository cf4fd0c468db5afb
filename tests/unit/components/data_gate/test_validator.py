"""The schema's own comparators, by TFDV on real statistics."""

from __future__ import annotations

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from hilir.components.data_gate.gate import find_refusals
from hilir.components.data_gate.validator import soften, validate


def describe(dream: int, biscoe: int):
    frame = pd.DataFrame({"island": ["Dream"] * dream + ["Biscoe"] * biscoe})
    return tfdv.generate_statistics_from_dataframe(frame)


def make_schema(comparator: str = "") -> schema_pb2.Schema:
    text = f'feature {{ name: "island" type: BYTES {comparator} }}'
    return text_format.Parse(text, schema_pb2.Schema())


BOUND = "{ infinity_norm { threshold: 0.1 } }"
HALF, MOSTLY_DREAM = describe(100, 100), describe(180, 20)


def kinds(anomalies: anomalies_pb2.Anomalies) -> list[str]:
    found = anomalies.anomaly_info["island"].reason if anomalies.anomaly_info else []
    return [anomalies_pb2.AnomalyInfo.Type.Name(reason.type) for reason in found]


@pytest.mark.parametrize(
    ("comparator", "last", "held_out", "expected"),
    [
        ("", HALF, HALF, []),
        (f"drift_comparator {BOUND}", HALF, None, ["COMPARATOR_L_INFTY_HIGH"]),
        (f"drift_comparator {BOUND}", MOSTLY_DREAM, None, []),
        (f"drift_comparator {BOUND}", None, None, []),
        (f"skew_comparator {BOUND}", None, HALF, ["COMPARATOR_L_INFTY_HIGH"]),
        (f"skew_comparator {BOUND}", HALF, MOSTLY_DREAM, []),
    ],
)
def test_comparators_are_honoured(comparator, last, held_out, expected):
    assert kinds(validate(MOSTLY_DREAM, make_schema(comparator), last, held_out)) == expected


def test_a_new_column_is_a_warning_where_nobody_wrote_the_schema():
    frame = pd.DataFrame({"island": ["Dream"] * 20, "beak": [1.5] * 20})
    anomalies = validate(tfdv.generate_statistics_from_dataframe(frame), make_schema(), None, None)
    (refusal,) = find_refusals({"train": anomalies}, "error", {})
    assert (refusal.feature, refusal.anomaly) == ("beak", "SCHEMA_NEW_COLUMN")
    soften(anomalies)
    assert find_refusals({"train": anomalies}, "error", {}) == []
    assert len(find_refusals({"train": anomalies}, "warning", {})) == 1
