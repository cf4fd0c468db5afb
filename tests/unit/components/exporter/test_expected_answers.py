"""Transformed features that are compared with TensorFlow Transform's."""

import numpy as np


def test_the_first_row_that_differs_is_found_in_numbers_and_in_texts():
    from hilir.components.exporter.expected_answers import find_difference

    numbers = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]])
    assert find_difference(numbers + 1e-7, numbers) is None
    assert find_difference(numbers + np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 1e-3]]), numbers) == 2
    texts = np.array([["Zoë"], [""], ["x"]], object)
    expected = np.array([["Zoë".encode()], [b""], [b"y"]], object)
    assert find_difference(texts, expected) == 2
    assert find_difference(texts[:2], expected[:2]) is None
