"""The schema's own comparators, by TFDV on real statistics."""

from __future__ import annotations

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from hilir.components.data_gate.gate import find_refusals
from hilir.components.data_gate.uses import Uses, find_uses, read_uses, write_uses
from hilir.components.data_gate.validator import say_once, soften, validate


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
    soften(anomalies, Uses())
    assert find_refusals({"train": anomalies}, "error", {}) == []
    assert len(find_refusals({"train": anomalies}, "warning", {})) == 1


def test_columns_that_nobody_reads_and_empty_cells_with_a_meaning_are_warnings():
    shape = "presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } }"
    unread = 'annotation { tag: "hilir.unread" }'
    last = text_format.Parse(
        f"""
        feature {{ name: "age" type: FLOAT {shape} }}
        feature {{ name: "price" type: FLOAT {shape} annotation {{ tag: "hilir.label" }} }}
        feature {{ name: "weight" type: FLOAT {shape} }}
        feature {{ name: "agent" type: BYTES {shape} string_domain {{ value: "a" }} {unread} }}
        feature {{ name: "zone" type: BYTES {shape} {unread} }}
        feature {{ name: "now" type: BYTES {shape} {unread} }}
        """,
        schema_pb2.Schema(),
    )
    own = text_format.Parse(
        """
        feature { name: "age" type: FLOAT }
        feature { name: "agent" type: BYTES annotation { tag: "hilir.unread" } }
        feature { name: "now" type: BYTES }
        tensor_representation_group {
          key: ""
          value { tensor_representation {
            key: "age" value { dense_tensor { column_name: "age" default_value { float_value: 3 } } }
          } }
        }
        """,
        schema_pb2.Schema(),
    )
    frame = pd.DataFrame({name: [1.5, None] * 20 for name in ("age", "price", "weight")} | {"agent": ["b", "c"] * 20})
    anomalies = validate(tfdv.generate_statistics_from_dataframe(frame), last, None, None)
    say_once(anomalies)
    uses = find_uses(last, own, ["zone"], drops_unlabelled=True)
    assert uses == Uses(frozenset({"agent"}), frozenset({"price"}), {"age": 3.0})
    assert read_uses(write_uses(uses)) == uses
    soften(anomalies, uses)
    found = {(each.feature, each.anomaly, each.severity) for each in find_refusals({"train": anomalies}, "warning", {})}
    assert found == {
        ("age", "FEATURE_TYPE_LOW_FRACTION_PRESENT", "warning"),
        ("price", "FEATURE_TYPE_LOW_FRACTION_PRESENT", "warning"),
        ("weight", "FEATURE_TYPE_LOW_FRACTION_PRESENT", "error"),
        ("agent", "ENUM_TYPE_UNEXPECTED_STRING_VALUES", "warning"),
        ("zone", "SCHEMA_MISSING_COLUMN", "error"),
        ("now", "SCHEMA_MISSING_COLUMN", "error"),
    }
    # Where unlabelled rows are refused, they are refused here.
    assert find_uses(last, own, [], drops_unlabelled=False).unlabelled == frozenset()


@pytest.mark.parametrize("name", ["ad.id", "Preis (EUR)", "it's", "a:b", "m²", "x'.'y"])
def test_anomalies_have_the_names_of_their_columns(name):
    schema = schema_pb2.Schema()
    schema.feature.add(name=name, type=schema_pb2.BYTES).presence.min_fraction = 1
    schema.feature[0].string_domain.value.append("a")
    schema.feature.add(name=f"{name} 2", type=schema_pb2.INT).presence.min_count = 1
    anomalies = validate(tfdv.generate_statistics_from_dataframe(pd.DataFrame({name: ["b"] * 9})), schema, None, None)
    assert {each.feature for each in find_refusals({"train": anomalies}, "error", {})} == {name, f"{name} 2"}
    accepted = {name: ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"], f"{name} 2": ["SCHEMA_MISSING_COLUMN"]}
    assert find_refusals({"train": anomalies}, "error", accepted) == []


def test_groups_of_columns_have_the_anomalies_of_all(monkeypatch):
    frame = pd.DataFrame({f"n{number}": [number, number + 1.0, 2.0] * 10 for number in range(30)})
    frame = frame.join(pd.DataFrame({f"s{number}": ["a", "b", f"new {number}"] * 10 for number in range(5)}))
    before = frame.assign(s0="b", s1=["a", "b", "b"] * 10)
    frame["s1"] = [None, "a", "a"] * 10
    schema = schema_pb2.Schema()
    for number in range(29):
        text = f'name: "n{number}" type: {"INT" if number % 7 == 0 else "FLOAT"} presence {{ min_fraction: 1 }}'
        schema.feature.add().CopyFrom(text_format.Parse(text, schema_pb2.Feature()))
        if number % 5 == 0:
            schema.feature[-1].float_domain.max = 1.5
    for number in range(7):
        text = (
            f'name: "s{number}" type: BYTES domain: "letters" presence {{ min_fraction: 1 }} drift_comparator {BOUND}'
            f" skew_comparator {BOUND}"
        )
        schema.feature.add().CopyFrom(text_format.Parse(text, schema_pb2.Feature()))
    schema.string_domain.add(name="letters", value=["a", "b"])
    schema.dataset_constraints.min_examples_count = 1000
    now, last = (tfdv.generate_statistics_from_dataframe(each) for each in (frame, before))
    whole = tfdv.validate_statistics(now, schema, previous_statistics=last, serving_statistics=last)
    monkeypatch.setattr("hilir.components.data_gate.validator._GROUP", 4)
    found = validate(now, schema, last, last)
    assert {"n0", "n5", "s0", "s1", "s2", "n29", "s6"} <= found.anomaly_info.keys()
    assert found.HasField("dataset_anomaly_info")
    assert dict(found.anomaly_info) == dict(whole.anomaly_info)
    assert found.dataset_anomaly_info == whole.dataset_anomaly_info
    assert sorted(map(str, found.drift_skew_info)) == sorted(map(str, whole.drift_skew_info))
    assert {each.name: each for each in found.baseline.feature} == {each.name: each for each in whole.baseline.feature}
    assert found.baseline.string_domain == whole.baseline.string_domain
