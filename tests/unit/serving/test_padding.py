from __future__ import annotations

import math

import numpy as np
import pytest

from hilir.serving.errors import ServingError
from hilir.serving.padding import make_array, pad_rows

MISSING_INT = -(2**63)


@pytest.mark.parametrize(
    ("rows", "padded"),
    [
        ([["a", "b"], [], ["c"], None], [["a", "b"], ["", ""], ["c", ""], ["", ""]]),
        ([[1], [2, 3]], [[1, MISSING_INT], [2, 3]]),
        ([[b"\xff"], [b"a", b"b"]], [[b"\xff", b""], [b"a", b"b"]]),
        ([[None, "b"], ["c", "d"]], [["", "b"], ["c", "d"]]),
        (["a", None], ["a", ""]),
        ([None, 7], [MISSING_INT, 7]),
        ([[], []], [[], []]),
        ([1.5, 2], [1.5, 2]),
        ([[[1], [2]], [[3], [4]]], [[[1], [2]], [[3], [4]]]),
        (3, 3),
    ],
)
def test_rows_get_the_length_of_the_longest(rows, padded):
    assert pad_rows(rows) == padded


def test_a_fraction_among_whole_numbers_makes_all_of_them_fractions():
    (first, second) = pad_rows([[1], [2, 2.5]])
    assert first[0] == 1
    assert math.isnan(first[1])
    assert second == [2, 2.5]
    assert math.isnan(pad_rows([0.5, None])[1])


def test_arrays_are_left_alone():
    array = np.zeros((2, 2))
    assert pad_rows(array) is array


def test_rows_of_an_unknown_type_are_refused():
    with pytest.raises(ServingError, match="all values are None"):
        pad_rows([None, None])


def test_zeros_at_the_end_of_bytes_stay():
    assert make_array([b"a\x00", b""]).tolist() == [b"a\x00", b""]
    assert make_array([["a\x00"], []]).tolist() == [["a\x00"], [""]]
    assert make_array([1.5, None]).dtype == np.float64
    array = np.zeros(2, np.float32)
    assert make_array(array) is array
