from __future__ import annotations

import numpy as np
import pytest

from hilir.components.missing import MISSING_INT
from hilir.components.trainer.export.row_values import make_array


@pytest.mark.parametrize(
    ("rows", "dtype", "shape", "expected"),
    [
        ([[1], []], "int64", [], [1, MISSING_INT]),
        ([[b"a"], []], "string", [], [b"a", b""]),
        ([[1, 2], [], [3]], "int64", [None], [[1, 2], [MISSING_INT] * 2, [3, MISSING_INT]]),
        ([[], []], "string", [None], [[b""], [b""]]),
        ([[b"a\x00"]], "string", [None], [[b"a\x00"]]),
        ([[1.0, 2.0, 3.0, 4.0]], "float32", [2, 2], [[[1.0, 2.0], [3.0, 4.0]]]),
    ],
)
def test_rows_become_an_array_padded_with_the_missing_value(rows, dtype, shape, expected):
    assert make_array(rows, dtype, shape).tolist() == expected


def test_a_missing_fraction_is_nan():
    np.testing.assert_array_equal(make_array([[1.5], []], "float32", [None]), np.array([[1.5], [np.nan]], "float32"))
