import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2

from hilir.components.data_gate.gate import explain, find_refusals

FOUND = {
    "train": text_format.Parse(
        """
        anomaly_info { key: "miles" value { severity: ERROR reason {
          type: UNEXPECTED_DATA_TYPE description: "Expected FLOAT but got BYTES." } } }
        anomaly_info { key: "company" value { severity: WARNING reason {
          type: ENUM_TYPE_UNEXPECTED_STRING_VALUES description: "Blue is new." } } }
        """,
        anomalies_pb2.Anomalies(),
    ),
    "eval": anomalies_pb2.Anomalies(),
}


def test_the_message_lists_feature_anomaly_and_how_to_accept_it():
    assert explain(find_refusals(FOUND, "error", {}), "error") == (
        "the data has 1 anomaly of severity 'error' or above; nothing was trained, nothing was pushed\n"
        "  split train, feature 'miles': UNEXPECTED_DATA_TYPE (error): Expected FLOAT but got BYTES.\n"
        "To accept one, name it in the configuration, for example\n"
        "  --set 'validation.accept={miles: [UNEXPECTED_DATA_TYPE]}'\n"
        "or change the schema (schema.path; 'hilir schema freeze' writes one), or correct the data."
    )


@pytest.mark.parametrize(
    ("fail_on", "accept", "features"),
    [
        ("error", {}, ["miles"]),
        ("warning", {}, ["company", "miles"]),
        ("never", {}, []),
        ("warning", {"miles": ["UNEXPECTED_DATA_TYPE"]}, ["company"]),
        ("error", {"miles": ["SCHEMA_NEW_COLUMN"]}, ["miles"]),
        ("error", {"company": ["UNEXPECTED_DATA_TYPE"]}, ["miles"]),
    ],
)
def test_severity_and_acceptance_decide(fail_on, accept, features):
    assert [refusal.feature for refusal in find_refusals(FOUND, fail_on, accept)] == features


def test_what_two_splits_have_alike_is_told_once():
    both = {"train": FOUND["train"], "eval": FOUND["train"]}
    assert [str(each) for each in find_refusals(both, "error", {})] == [
        "splits eval and train, feature 'miles': UNEXPECTED_DATA_TYPE (error): Expected FLOAT but got BYTES."
    ]
    unexpected = {"train": {"company": "'Blue' in 12 rows"}, "eval": {"company": "'Blue' in 5 rows"}}
    found = find_refusals(both, "warning", {"miles": ["UNEXPECTED_DATA_TYPE"]}, unexpected)
    assert [(each.splits, each.values) for each in found] == [
        (("eval",), "'Blue' in 5 rows"), (("train",), "'Blue' in 12 rows"),
    ]  # fmt: skip


def test_an_anomaly_of_the_whole_dataset_stops_too():
    found = anomalies_pb2.Anomalies()
    found.dataset_anomaly_info.severity = anomalies_pb2.AnomalyInfo.ERROR
    found.dataset_anomaly_info.reason.add(type=anomalies_pb2.AnomalyInfo.DATASET_LOW_NUM_EXAMPLES)
    (refusal,) = find_refusals({"train": found}, "error", {})
    assert str(refusal) == "split train, the whole dataset: DATASET_LOW_NUM_EXAMPLES (error): "
    assert find_refusals({"train": found}, "error", {"": ["DATASET_LOW_NUM_EXAMPLES"]}) == []


def test_values_that_the_schema_does_not_know_are_named_with_their_rows():
    (refusal, *_) = find_refusals(FOUND, "warning", {}, {"train": {"company": "'Blue' in 12 rows", "miles": "no"}})
    assert str(refusal) == (
        "split train, feature 'company': ENUM_TYPE_UNEXPECTED_STRING_VALUES (warning): Blue is new. ['Blue' in 12 rows]"
    )
