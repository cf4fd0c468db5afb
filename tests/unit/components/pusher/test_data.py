"""What a version's manifest says of the data that it learned from."""

from tfx.types import standard_artifacts

from hilir.components.pusher.executor import _describe_data


def test_all_spans_of_a_window_are_on_the_manifest():
    examples = standard_artifacts.Examples()
    examples.uri = "here"
    examples.set_int_custom_property("span", 3)
    examples.set_string_custom_property("input_fingerprint", "f00")
    examples.set_string_custom_property("spans", "[2, 3]")
    expected = {"span": 3, "version": None, "spans": [2, 3], "fingerprint": "f00", "examples": "here"}
    assert _describe_data(examples) == expected


def test_data_without_spans():
    assert _describe_data(standard_artifacts.Examples())["spans"] == []
