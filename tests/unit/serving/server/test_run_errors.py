from __future__ import annotations

import numpy as np
import pytest

from hilir.serving.server.servables.run_errors import explain_failure, shorten
from hilir.serving.server.status import Code

INVALID = Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("message", "short"),
    [
        ("slice index 1 out of bounds.\n\t [[{{function_node __inference_call_26}}{{node strided_slice_6}}]]",
         "slice index 1 out of bounds."),
        ("2 root error(s) found.\n  (0) INVALID_ARGUMENT: StringToNumberOp could not correctly convert string: soon\n"
         "\t [[{{node StatefulPartitionedCall/StringToNumber}}]]\n\t [[StatefulPartitionedCall/_7]]\n"
         "  (1) INVALID_ARGUMENT: StringToNumberOp could not correctly convert string: soon\n"
         "\t [[{{node StatefulPartitionedCall/StringToNumber}}]]\n0 successful operations.",
         "StringToNumberOp could not correctly convert string: soon"),
        ("indices[0,1] = [[2], [3]] is not in [0, 2)", "indices[0,1] = [[2], [3]] is not in [0, 2)"),
        ("{{function_node __inference_pruned_1_at_tf_graph}} string: soon\n\t [[{{node a}}]]", "string: soon"),
        ("no such row", "no such row"),
    ],
)  # fmt: skip
def test_a_message_loses_the_places_in_the_graph(message, short):
    assert shorten(message) == short


def test_an_input_of_another_rank_is_named():
    feeds, arrays = (("x", (-1,)), ("tags", (-1, -1)), ("any", None)), [np.zeros(2)] * 3
    error = explain_failure(INVALID, "slice index 1 of dimension 0 out of bounds.", feeds, arrays)
    assert error.code is INVALID
    assert error.message == (
        "input 'tags' has the shape [2] where the model takes [-1, -1] (-1: any); "
        "send a list of values for each row, padded where rows have fewer"
    )
    other = explain_failure(Code.INTERNAL, "broken", feeds, [np.zeros(2), np.zeros((2, 1)), np.zeros(())])
    assert (other.code, other.message) == (Code.INTERNAL, "broken")


UNREAD = "StringToNumberOp could not correctly convert string: "


@pytest.mark.parametrize(
    ("text", "arrays", "named"),
    [
        (
            "ma",
            {"day": [b"2024-ma-01", b"2024-05-01"], "name": [b"Ann", b"Bob"]},
            "input 'day' has the value '2024-ma-01'",
        ),
        ("", {"day": [b"", b"2024-05-01"], "name": [b"Ann", b"Bob"]}, "input 'day' has the value ''"),
        ("ma", {"day": [b"2024-ma-01"], "name": [b"Emma"]}, None),
        ("ma", {"examples": [b"\n\x0cday 2024-ma-01"]}, None),
        ("ma", {"size": [1.0]}, None),
    ],
)
def test_the_input_with_a_text_that_is_not_a_number_is_named(text, arrays, named):
    values = [np.array(each, object if isinstance(each[0], bytes) else None) for each in arrays.values()]
    error = explain_failure(INVALID, UNREAD + text, [(name, (-1,)) for name in arrays], values)
    expected = UNREAD.strip() if not text else UNREAD + text
    assert error.message == (f"{named}, which the model cannot read: {expected}" if named else expected)
