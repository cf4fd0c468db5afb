"""The kinds of columns: each rule on a column that it is made for, and on one that it must not fire on."""

import numpy as np
import pandas as pd
import pytest

from hilir.pipeline.project.kinds import decide_kinds, parse_dates, parse_numbers

RANDOM = np.random.default_rng(1)
ROWS = 1000
NUMBERS = RANDOM.normal(size=ROWS).round(4)
DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(RANDOM.integers(0, 900, ROWS), "D")
WORDS = ["good", "bad", "slow", "fast", "the", "a", "it", "was", "very", "of", "nice", "cheap", "broken"]


def texts(values) -> list[str | None]:
    return [None if value is None or value != value or value == "" else str(value) for value in values]


def some_missing(values, spelling=""):
    return [spelling if index % 10 == 0 else value for index, value in enumerate(values)]


CASES = {
    "number": ("x", NUMBERS),
    "number with gaps": ("x", some_missing(NUMBERS)),
    "number with spelled gaps": ("x", some_missing(NUMBERS, "N/A")),
    "number called id": ("paid", NUMBERS),
    "number of unique integers out of order": ("price", RANDOM.permutation(np.arange(0, 100 * ROWS, 100))),
    "number of few": ("rooms", RANDOM.integers(1, 6, ROWS)),
    "number 0/1": ("is_new", RANDOM.integers(0, 2, ROWS)),
    "log number": ("amount", np.exp(2 * NUMBERS).round(4)),
    "category": ("island", RANDOM.choice(["a", "b", "c"], ROWS)),
    "category of codes": ("zip_code", RANDOM.choice([101, 205, 330], ROWS)),
    "category of yes and no": ("smoker", RANDOM.choice(["Yes", "no"], ROWS)),
    "category of unknowns": ("colour", RANDOM.choice(["red", "unknown", "none"], ROWS)),
    "large category": ("city", [f"city {n}" for n in RANDOM.integers(0, 300, ROWS)]),
    "date": ("since", DAYS.strftime("%Y-%m-%d")),
    "date German": ("since", DAYS.strftime("%d.%m.%Y")),
    "date American": ("since", DAYS.strftime("%m/%d/%Y")),
    "date with time and zone": ("since", DAYS.strftime("%Y-%m-%dT%H:%M:%SZ")),
    "date as a number": ("order_date", DAYS.strftime("%Y%m%d")),
    "date with gaps": ("since", some_missing(DAYS.strftime("%Y-%m-%d"), "?")),
    "ambiguous date": ("since", [f"{n % 12 + 1:02d}/{n % 11 + 1:02d}/2020" for n in range(ROWS)]),
    "text": ("review", [" ".join(RANDOM.choice(WORDS, 8)) for _ in range(ROWS)]),
    "id": ("row", np.arange(ROWS)),
    "id of codes": ("customer", [f"C{n:05d}" for n in RANDOM.permutation(ROWS)]),
    "id by name": ("order_id", RANDOM.permutation(np.arange(0, 100 * ROWS, 100))),
    "group": ("patient_id", RANDOM.integers(0, 100, ROWS)),
    "constant": ("x", ["same"] * ROWS),
    "constant almost": ("x", [7] * (ROWS - 2) + [8, 9]),
    "empty": ("x", [""] * ROWS),
}


@pytest.mark.parametrize("case", CASES)
def test_kind(case):
    name, values = CASES[case]
    (column,) = decide_kinds(pd.DataFrame({name: texts(values)}, dtype=object), ".")
    expected = next(kind for kind in sorted(KINDS, key=len, reverse=True) if case.startswith(kind))
    assert (column.kind, bool(column.why)) == (expected, True), column


KINDS = ["number", "log number", "category", "large category", "date", "ambiguous date", "text", "id", "group"]
KINDS += ["constant", "empty"]


def test_a_column_that_is_kept_is_a_feature_in_any_case():
    cells = pd.DataFrame({"customer_id": texts(np.arange(ROWS)), "one": ["1"] * ROWS}, dtype=object)
    assert [column.kind for column in decide_kinds(cells, ".")] == ["id", "constant"]
    assert [column.kind for column in decide_kinds(cells, ".", keep=["customer_id", "one"])] == ["number", "number"]


def test_the_second_of_two_equal_columns_is_left_out():
    cells = pd.DataFrame({"a": texts(NUMBERS), "b": texts(NUMBERS), "c": texts(NUMBERS + 1)}, dtype=object)
    assert [(column.name, column.kind) for column in decide_kinds(cells, ".")] == [
        ("a", "number"),
        ("b", "duplicate"),
        ("c", "number"),
    ]


def test_decimal_commas_and_points_for_thousands():
    parsed = parse_numbers(pd.Series(["1,5", " 1.234,5 ", "x", None], dtype=object), ",")
    np.testing.assert_array_equal(parsed, [1.5, 1234.5, np.nan, np.nan])


def test_dates_lose_fractions_and_zones():
    parsed = parse_dates(pd.Series(["2024-02-29T10:11:12.5+01:00", "2024-02-29T10:11:12Z", "?"]), "%Y-%m-%dT%H:%M:%S")
    assert parsed.tolist()[:2] == [pd.Timestamp(2024, 2, 29, 10, 11, 12)] * 2
    assert pd.isna(parsed[2])
