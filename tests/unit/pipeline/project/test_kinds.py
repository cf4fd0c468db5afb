"""The kinds of columns: each rule on a column that it is made for, and on one that it must not fire on."""

import re

import numpy as np
import pandas as pd
import pytest

from hilir.pipeline.project.columns import amounts, units
from hilir.pipeline.project.columns.dates import parse_dates
from hilir.pipeline.project.columns.kinds import decide_kinds

RANDOM = np.random.default_rng(1)
ROWS = 1000
NUMBERS = RANDOM.normal(size=ROWS).round(4)
DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(RANDOM.integers(0, 900, ROWS), "D")
WORDS = ["good", "bad", "slow", "fast", "the", "a", "it", "was", "very", "of", "nice", "cheap", "broken"]


PHONES = [f"+49 {RANDOM.integers(150, 180)} {number}" for number in RANDOM.permutation(10**6)[:ROWS]]
TIMES = DAYS + pd.to_timedelta(RANDOM.integers(0, 86400, ROWS), "s")


def texts(values) -> list[str | None]:
    return [None if value is None or value != value or value == "" else str(value) for value in values]


MINUTES = RANDOM.integers(0, 3000, ROWS)
GENRES = ["drama", "war", "comedy", "crime", "noir", "western"]
SOME_GENRES = [list(RANDOM.choice(GENRES, RANDOM.integers(1, 4), replace=False)) for _ in range(ROWS)]
TOWNS = [f"Town {n}" for n in range(90)]

GERMAN = str.maketrans(",.", ".,")


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
    "id of a name in capitals, some of them twice": ("ID", RANDOM.permutation(np.arange(0, 100 * ROWS, 100)) // 150),
    "group": ("patient_id", RANDOM.integers(0, 100, ROWS)),
    "number with its unit": ("x", [f"{value:.1f} kg" for value in NUMBERS]),
    "number in per cent": ("x", [f"{value:.1f}%" for value in NUMBERS]),
    "log number in euros": ("x", [f"€ {value:,.2f}".translate(GERMAN) for value in np.exp(2 * NUMBERS + 5)]),
    "log number in dollars": ("x", [f"${value:,.2f}" for value in np.exp(2 * NUMBERS + 5)]),
    "number of yes and no in all spellings": ("x", RANDOM.choice(["yes", "Y", "true", "1", "No", "n", "F", "0"], ROWS)),
    "number that grows": ("population", 198_000 + np.cumsum(RANDOM.integers(1, 300, ROWS))),
    "number without limits": ("x", some_missing(NUMBERS, "inf")),
    "number called session length": ("session_length", RANDOM.integers(1, 300, ROWS)),
    "category of words with numbers": ("x", RANDOM.choice(["B12", "B7", "C3", "3rd", "1 child", "2 children"], ROWS)),
    "category of durations in two units": ("x", RANDOM.choice(["30 min", "45 min", "2 h", "3 h"], ROWS)),
    "number of hours and minutes": ("x", [f"{n // 60}h {n % 60}m" if n % 60 else f"{n // 60}h" for n in MINUTES]),
    "number of days in singular and plural": ("x", ["1 day" if n % 40 == 1 else f"{n % 40} days" for n in MINUTES]),
    "number of a stopwatch": ("x", [f"{n // 60}:{n % 60:02d}:07" if n > 59 else f"{n}:07" for n in MINUTES]),
    "number of bytes": ("x", [f"{n} kB" if n < 1000 else f"{n / 1000:.1f} MB" for n in np.square(MINUTES)]),
    "number of thousands": ("x", [f"{n / 1000:.1f}K" if n > 999 else f"{n}" for n in MINUTES**2]),
    "number of feet and inches": ("x", [f"{n % 3 + 4}'{n % 12}\"" for n in MINUTES]),
    "large category of doors": ("x", [f"{n % 300}{'ab'[n % 2]}" for n in MINUTES]),
    "tags of films": ("x", ["|".join(each) for each in SOME_GENRES]),
    "tags as a list in Python": ("x", [str([str(tag) for tag in each]) for each in SOME_GENRES]),
    "category of towns and countries": ("x", [f"{TOWNS[n % 90]}, {'ABC'[n % 90 % 3]}" for n in MINUTES]),
    "category of two tags": ("x", RANDOM.choice(["a|b", "a", "b"], ROWS)),
    "text of names": ("x", [f"Name{n}, Mr. First{n * 7}" for n in range(ROWS)]),
    "vector of pressures": ("x", [f"{n % 60 + 100}/{n % 45 + 55}" for n in MINUTES]),
    "vector of marks out of ten": ("x", [f"{n % 80 / 10}/10" for n in MINUTES]),
    "category of screens": ("x", RANDOM.choice(["1920x1080", "1280x720", "720x576"], ROWS)),
    "category of scores": ("x", [f"{n % 6}:{n % 5}" for n in MINUTES]),
    "date that is a time of twelve hours": ("x", TIMES.strftime("%I:%M %p")),
    "number of a bound": ("x", [f"<{n}" if n < 50 else f"{n}" for n in MINUTES]),
    "number of at least": ("x", [f"{n}+" if n > 2900 else f"{n}" for n in MINUTES]),
    "number about": ("x", [f"~{n}" for n in MINUTES]),
    "vector of a count and its share": ("x", [f"{n} ({n % 97}%)" for n in MINUTES]),
    "vector of a value and its error": ("x", [f"{n / 7:.2f} ± {n % 10 / 10}" for n in MINUTES]),
    "tags with slashes": ("x", ["/".join(each) for each in SOME_GENRES]),
    "vector of places": ("x", [f"(48.{n:04d}, -11.{n * 3 % 10_000:04d})" for n in MINUTES]),
    "vector as a list": ("x", [str([int(n), int(n) % 7, 0.5]) for n in MINUTES]),
    "id of file numbers": ("x", [f"{n}/2021" for n in RANDOM.permutation(ROWS)]),
    "id of addresses of machines": ("x", [f"10.0.{n % 256}.{n // 256}" for n in range(ROWS)]),
    "category of ranges": ("x", [f"{n % 20 * 10}-{n % 20 * 10 + 9}" for n in MINUTES]),
    "category of postcodes": ("plz", RANDOM.choice(["01067", "10115", "80331"], ROWS)),
    "category of maybes": ("x", RANDOM.choice(["yes", "no", "maybe", "Yes"], ROWS)),
    "category of versions": ("x", RANDOM.choice(["3.9.18", "3.10.12", "3.11.4"], ROWS)),
    "date with a month's name": ("x", DAYS.strftime("%d %b %Y")),
    "date American with a month's name": ("x", DAYS.strftime("%B %d, %Y")),
    "date with a year of two digits": ("x", DAYS.strftime("%d.%m.%y")),
    "date with a time of twelve hours": ("x", TIMES.strftime("%m/%d/%Y %I:%M %p")),
    "date of a month": ("x", DAYS.strftime("%Y-%m")),
    "date before 1900": ("x", [f"{year}-03-{year % 28 + 1:02d}" for year in RANDOM.integers(1800, 1950, ROWS)]),
    "date in seconds since 1970": ("created_at", 1_600_000_000 + RANDOM.integers(0, 10**8, ROWS)),
    "date that is a time only": ("x", TIMES.strftime("%H:%M")),
    "number of seconds in another column": ("bytes", 1_600_000_000 + RANDOM.integers(0, 10**8, ROWS)),
    "mixed dates": ("x", [day.strftime(["%Y-%m-%d", "%d.%m.%Y", "%b %d, %Y"][n % 3]) for n, day in enumerate(DAYS)]),
    "id of telephones": ("x", PHONES),
    "id of telephones without spaces": ("x", [phone.replace(" ", "") for phone in PHONES]),
    "id of mail addresses": ("x", [f"u{n}@example.com" for n in range(ROWS)]),
    "id of 80 bits": ("x", [f"{10**24 + int(n)}" for n in RANDOM.permutation(ROWS)]),
    "id without a name": ("", np.arange(ROWS)),
    "group called customer": ("customer", [f"K{n:04d}" for n in RANDOM.integers(0, 120, ROWS)]),
    "group of hashes": ("x", [f"{n:032x}" for n in RANDOM.integers(0, 120, ROWS)]),
    "number called index": ("index", RANDOM.integers(0, 100, ROWS)),
    "constant": ("x", ["same"] * ROWS),
    "constant almost": ("x", [7] * (ROWS - 2) + [8, 9]),
    "empty": ("x", [""] * ROWS),
}


@pytest.mark.parametrize("case", CASES)
def test_kind(case):
    name, values = CASES[case]
    (column,) = decide_kinds(pd.DataFrame({name: texts(values)}, dtype=object))
    expected = next(kind for kind in sorted(KINDS, key=len, reverse=True) if case.startswith(kind))
    assert (column.kind, bool(column.why)) == (expected, True), column


KINDS = ["number", "log number", "category", "large category", "date", "ambiguous date", "text", "id", "group"]
KINDS += ["constant", "empty", "mixed dates", "tags", "vector"]


def test_a_column_that_is_kept_is_a_feature_in_any_case():
    cells = pd.DataFrame({"customer_id": texts(np.arange(ROWS)), "one": ["1"] * ROWS}, dtype=object)
    assert [column.kind for column in decide_kinds(cells)] == ["id", "constant"]
    assert [column.kind for column in decide_kinds(cells, keep=["customer_id", "one"])] == ["number", "number"]


def test_the_second_of_two_equal_columns_is_left_out():
    cells = pd.DataFrame({"a": texts(NUMBERS), "b": texts(NUMBERS), "c": texts(NUMBERS + 1)}, dtype=object)
    assert [(column.name, column.kind) for column in decide_kinds(cells)] == [
        ("a", "number"),
        ("b", "duplicate"),
        ("c", "number"),
    ]


def test_dates_lose_fractions_and_zones():
    parsed = parse_dates(pd.Series(["2024-02-29T10:11:12.5+01:00", "2024-02-29T10:11:12Z", "?"]), "%Y-%m-%dT%H:%M:%S")
    assert parsed.tolist()[:2] == [pd.Timestamp(2024, 2, 29, 10, 11, 12)] * 2
    assert pd.isna(parsed[2])


def test_numbers_in_texts_are_read_as_they_are_meant():
    values = ["€ 1.234,50", "-7,25 €", "€ (12)", "", "(1.000)"]
    assert amounts.parse_amounts(pd.Series(values), ",").tolist()[:2] == [1234.5, -7.25]
    assert amounts.parse_amounts(pd.Series(values), ",").isna().tolist() == [False, False, False, True, False]
    assert amounts.parse_amounts(pd.Series(["Rp. 1,000.5", "12.50 kr.", "−3"]), ".").tolist() == [1000.5, 12.5, -3]


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        (["12 %", "7 %", "9 %"], "."),
        (["1.234,50 €", "7,25 €", "9,00 €"], ","),
        (["$1,234", "$7,250", "$12"], "."),
        (["1.000 kr", "2.500 kr", "3.000 kr"], ","),
        (["B12", "B13", "B14"], ""),
        (["1st", "2nd", "3rd"], ""),
        (["30 min", "2 h", "5 h"], ""),
        (["170 123 456", "171 123 456", "172 123 456"], ""),
        (["12", "12A", "14A"], ""),
        (["192.168.1.1", "192.168.1.2", "10.0.0.1"], ""),
    ],
)
def test_numbers_with_units_and_what_only_looks_like_them(values, mark):
    assert amounts.find_decimal(pd.Series(values)) == mark


def test_what_the_file_says_of_a_column_decides():
    cells = pd.DataFrame(
        {
            "tags": ['["red", "blue"]', None, '["red"]'] * 100,
            "vector": ["[1.0, 2.5]"] * 300,
            "ragged": ["[1.0, 2.5]", "[1.0]"] * 150,
            "struct": ['{"a": 1}'] * 300,
            "digits": texts(RANDOM.integers(0, 50, 300)),
            "postcodes": texts(RANDOM.integers(10000, 99999, 300)),
        },
        dtype=object,
    )
    types = {"tags": "strings", "vector": "numbers", "ragged": "numbers", "struct": "nested"}
    found = decide_kinds(cells, types=types | {"digits": "string", "postcodes": "string"})
    assert [column.kind for column in found] == ["tags", "vector", "list", "nested", "number", "id"]
    assert [column.format for column in found][4] == "."
    assert [column.type for column in found] == ["BYTES", "FLOAT", "FLOAT", "BYTES", "BYTES", "BYTES"]


@pytest.mark.parametrize(
    ("values", "declared"),
    [
        (["a", "b"] * 200, False),
        (["1", "2", "3+"] * 200, True),
        (["01067", "10115"] * 200, True),
        ([1, 2] * 200, False),
    ],
)
def test_the_configuration_says_that_a_column_is_text_if_some_values_are_numbers(values, declared):
    (column,) = decide_kinds(pd.DataFrame({"x": texts(values)}, dtype=object))
    assert column.is_declared == declared


@pytest.mark.parametrize(
    ("texts", "what", "expected"),
    [
        (["3h 25m", "40 m", "2 H"], "durations", [12_300, 2_400, 7_200]),
        (["1 day", "14 days", "2 weeks"], "durations", [86_400, 1_209_600, 1_209_600]),
        (["1:02:33", "54:24", "0:07"], "durations", [3_753, 3_264, 7]),
        (["870 kB", "1,5 MB", "2GB"], "sizes", [870_000, 1_500_000, 2e9]),
        (["14.4K", "300", "1.2M"], "amounts", [14_400, 300, 1_200_000]),
        (["$1.4k", "€ 3 Mio", "$700"], "amounts", [1_400, 3_000_000, 700]),
        (["6'6\"", "5'11\"", "4 ft"], "lengths", [1.9812, 1.8034, 1.2192]),
        (["60 kg", "132 lbs", "5 lb 3 oz"], "weights", [60_000, 59_874.193, 2_353.010]),
    ],
)
def test_the_sum_of_a_texts_numbers_each_times_its_unit(texts, what, expected):
    # Ten values or fewer are categories.
    more = [re.sub(r"\d", str(number), text, count=1) for text in texts for number in range(1, 10)]
    family, sizes = units.find_units(pd.Series(texts + more))
    assert family == what
    found = units.parse_measures(pd.Series([*texts, "unknown", None, "3 parsecs"]), sizes)
    np.testing.assert_allclose(found, [*expected, np.nan, np.nan, np.nan], rtol=1e-6)
