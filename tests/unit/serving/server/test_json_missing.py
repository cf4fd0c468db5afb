"""What JSON says of rows: null, true and false, in rows and in lists."""

from __future__ import annotations

import math

import pytest

from hilir.serving.missing import MISSING_INT
from hilir.serving.server.rest.json.json_missing import replace_missing
from hilir.serving.server.servables.input_spec import InputSpec
from hilir.serving.server.tensors import dtypes

SPECS = {
    "size": InputSpec("size", dtypes.FLOAT, takes_missing=True),
    "count": InputSpec("count", dtypes.INT64, takes_missing=True),
    "active": InputSpec("active", dtypes.STRING, takes_missing=True, booleans=("False", "True")),
    "name": InputSpec("name", dtypes.STRING, takes_missing=True),
    "tags": InputSpec("tags", dtypes.STRING, takes_missing=True, several=True),
}


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("count", [1, None, True], [1, MISSING_INT, 1]),
        ("active", [True, False, None, "True"], ["True", "False", "", "True"]),
        ("name", [True, None], [True, ""]),
        ("tags", [["a", "b"], None, [None, "c"]], [["a", "b"], ["", ""], ["", "c"]]),
        ("tags", [None, None], [[""], [""]]),
    ],
)
def test_rows_and_columns_become_what_the_model_takes(name, rows, expected):
    by_row = replace_missing({"instances": [{name: value} for value in rows]}, SPECS)
    assert [row[name] for row in by_row["instances"]] == expected
    assert replace_missing({"inputs": {name: rows}}, SPECS)["inputs"][name] == expected
    alone = {name: SPECS[name]}
    assert replace_missing({"inputs": rows}, alone)["inputs"] == expected


def test_a_missing_number_is_nan():
    (row,) = replace_missing({"instances": [{"size": None}]}, SPECS)["instances"]
    assert math.isnan(row["size"])
