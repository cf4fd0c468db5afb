from __future__ import annotations

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.pusher.version_schema import set_classes
from hilir.components.trainer.export.class_names import read_domain

SHARED = 'string_domain { name: "d" value: "a" value: "b" }'


@pytest.mark.parametrize(
    "text",
    [
        'feature { name: "kind" type: BYTES domain: "d" } ' + SHARED,
        'feature { name: "kind" type: BYTES string_domain { value: "b" } }',
        'feature { name: "kind" type: BYTES }',
        'feature { name: "kind" type: BYTES domain: "d" } feature { name: "other" type: BYTES domain: "d" } ' + SHARED,
    ],
)
def test_the_classes_are_the_domain_in_their_order(text):
    schema = text_format.Parse(text, schema_pb2.Schema())
    set_classes(schema, {"kind": ["b", "a", "new"], "y": ["x"]})
    assert read_domain(schema, "kind") == ("b", "a", "new")
    if "other" in text:
        assert read_domain(schema, "other") == ("a", "b")


def test_a_label_that_is_no_column_of_strings_is_left_alone():
    schema = text_format.Parse('feature { name: "kind" type: INT }', schema_pb2.Schema())
    set_classes(schema, {"kind": ["a"]})
    assert schema == text_format.Parse('feature { name: "kind" type: INT }', schema_pb2.Schema())
