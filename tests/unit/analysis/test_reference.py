from __future__ import annotations

import json

import numpy as np
import pytest

from hilir.analysis.errors import ReferenceDamaged
from hilir.analysis.reference import (
    CategoryReference,
    NumberReference,
    Reference,
    from_json,
    summarize_categories,
    summarize_numbers,
    to_json,
)


def test_numbers_are_counted_between_their_deciles():
    found = summarize_numbers([*range(1, 101), float("nan")])
    assert found.edges == (11, 21, 31, 41, 51, 61, 71, 81, 91)
    assert found.counts == (10,) * 10
    assert (found.low, found.high, found.rows, found.missing) == (1, 100, 101, 1)


def test_equal_deciles_are_one_edge():
    found = summarize_numbers([0] * 75 + [1] * 10 + [7] * 15)
    assert found.edges == (1, 7)
    assert found.counts == (75, 10, 15)


@pytest.mark.parametrize("values", [[], [float("nan")] * 3, [5.0] * 9, [float("inf"), float("-inf")]])
def test_without_two_values_there_is_one_bin(values):
    found = summarize_numbers(values)
    assert found.edges == ()
    assert found.counts == (sum(not np.isnan(value) for value in values),)


def test_infinite_numbers_are_in_the_outer_bins_and_not_in_the_range():
    found = summarize_numbers([float("-inf"), *range(10), float("inf")])
    assert (found.low, found.high) == (0, 9)
    assert (found.counts[0], found.counts[-1]) == (2, 2)
    assert from_json(to_json(Reference({"x": found}))).features["x"] == found


def test_rare_values_share_one_bin():
    values = [f"v{number}" for number in range(150) for _ in range(150 - number)]
    found = summarize_categories(values, rows=len(values) + 4, missing=4)
    assert list(found.counts)[:2] == ["v0", "v1"]
    assert len(found.counts) == 99
    assert found.other == sum(range(1, 52))


def test_a_reference_survives_its_file():
    reference = Reference(
        {
            "Preis (EUR)": NumberReference((1.5, 2.0), (3, 4, 5), 0.1, 9.0, 13, 1),
            "Stadt": CategoryReference({"Zürich": 2}, 0, 2, 0),
        },
        {"scores": summarize_numbers(np.linspace(0, 1, 50))},
    )
    text = to_json(reference)
    assert from_json(text) == reference
    assert to_json(from_json(text)) == text


ROWS = {"rows": 1, "missing": 0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "its format is 2, and this program knows format 1"),
        ({"features": {"x": {"kind": "shape"}}}, "it is damaged (ValueError: kind 'shape')"),
        (
            {"features": {"x": {"kind": "number", "edges": [1], "counts": [1], "low": 0, "high": 1} | ROWS}},
            "it is damaged (ValueError: edges and counts do not fit)",
        ),
        (
            {"features": {"x": {"kind": "category", "counts": {"a": -1}, "other": 0} | ROWS}},
            "it is damaged (ValueError: -1 is not a count)",
        ),
    ],
)
def test_a_damaged_reference_is_refused(change, reason):
    with pytest.raises(ReferenceDamaged) as error:
        from_json(json.dumps({"format": 1, "features": {}, "predictions": {}} | change))
    assert str(error.value) == reason


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 100_000, '{"format": 1, "features": 3}'])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(ReferenceDamaged):
        from_json(text)
