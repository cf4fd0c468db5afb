"""What a monitor finds after how many rows, and how seldom it finds what is not there; through real windows."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hilir.analysis.drift import Level
from hilir.analysis.reference import Reference, summarize_categories, summarize_numbers
from hilir.serving.monitor.window import OpenWindow
from hilir.serving.request_log.request import Request

ROWS = 20_000
FEATURES = 20
LEVELS = ("seen", "warn", "alarm")


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def close(reference, inputs, rows):
    window = OpenWindow(reference)
    columns = {name: [[value] for value in values] for name, values in inputs.items()}
    window.add(Request("m", 1, "", 0.0, rows, columns))
    return window.close()


def share(levels, wanted):
    return float(np.mean([Level[level.upper()] >= Level[wanted.upper()] for level in levels]))


def draw_clean(rng, rows):
    """Twenty features: normal, heavy-tailed, small whole numbers, one of them with an outlier, and categories."""
    columns = {f"normal{number}": rng.normal(size=rows) for number in range(8)}
    columns |= {f"tail{number}": rng.lognormal(sigma=1.5, size=rows) for number in range(4)}
    columns |= {f"count{number}": rng.poisson(3, rows) for number in range(4)}
    columns |= {f"place{number}": rng.choice([f"v{k}" for k in range(30)], rows) for number in range(4)}
    return columns


def summarize(columns, rows):
    return Reference(
        {
            name: summarize_categories(map(str, values), rows, 0)
            if np.asarray(values).dtype.kind in "UO"
            else summarize_numbers(values)
            for name, values in columns.items()
        }
    )


@pytest.mark.parametrize("rows", [300, 1000])
def test_at_most_two_of_a_hundred_clean_windows_are_flagged(rng, rows):
    reference = summarize(draw_clean(rng, ROWS), ROWS)
    levels = []
    for _ in range(100):
        columns = draw_clean(rng, rows)
        columns["normal0"][0] = 1e6
        levels.append(close(reference, columns, rows).level)
    assert sum(level in ("warn", "alarm") for level in levels) <= 2
    assert sum(level != "none" for level in levels) <= 3


def read_taxi():
    folder = Path(str(find_spec("tfx").submodule_search_locations[0])) / "examples/chicago_taxi_pipeline/data/simple"
    return pd.read_csv(folder / "data.csv")


def test_taxi_rows_of_the_same_hours_are_not_flagged(rng):
    """Windows keep the mix of hours that the training data has, as a day of traffic does."""
    taxi = read_taxi().sample(frac=1, random_state=5)
    names = [
        "fare", "trip_miles", "trip_seconds", "trip_start_hour", "trip_start_day", "trip_start_month", "payment_type",
        "company", "pickup_community_area", "dropoff_community_area", "pickup_latitude", "pickup_longitude",
        "dropoff_latitude", "dropoff_longitude", "tips", "pickup_census_tract", "dropoff_census_tract",
    ]  # fmt: skip
    half = len(taxi) // 2
    train, traffic = taxi.iloc[:half], taxi.iloc[half:]
    columns = {}
    for name in names:
        values = train[name]
        if values.dtype == object:
            columns[name] = summarize_categories(values.dropna(), half, int(values.isna().sum()))
        else:
            columns[name] = summarize_numbers(values)
    levels = []
    for number in range(100):
        hours = train["trip_start_hour"].sample(1000, replace=True, random_state=number).value_counts()
        groups = traffic.groupby("trip_start_hour")
        window = pd.concat(
            [groups.get_group(hour).sample(n, replace=True, random_state=number) for hour, n in hours.items()]
        )
        inputs = {name: ["" if pd.isna(value) else value for value in window[name]] for name in names}
        levels.append(close(Reference(columns), inputs, len(window)).level)
    assert sum(level in ("warn", "alarm") for level in levels) <= 2


# Shift, rows: shares of windows that are flagged at seen, warn and alarm, lowest and highest.
TABLE = [
    ("mean +0.1 sd", 5000, (0.80, 0.98), (0.00, 0.01), (0.0, 0.0)),
    ("mean +0.25 sd", 500, (0.45, 0.70), (0.00, 0.12), (0.0, 0.0)),
    ("mean +0.25 sd", 1000, (0.97, 1.00), (0.00, 0.04), (0.0, 0.0)),
    ("mean +0.5 sd", 200, (0.92, 1.00), (0.92, 1.00), (0.0, 0.03)),
    ("mean +0.5 sd", 1000, (1.00, 1.00), (0.99, 1.00), (0.0, 0.0)),
    ("mean +0.8 sd", 1000, (1.00, 1.00), (1.00, 1.00), (0.55, 0.85)),
    ("mean +1 sd", 200, (1.00, 1.00), (1.00, 1.00), (0.90, 1.00)),
    ("sd x1.25", 1000, (0.97, 1.00), (0.00, 0.12), (0.0, 0.0)),
    ("sd x1.5", 200, (0.85, 1.00), (0.80, 1.00), (0.0, 0.02)),
    ("5 % missing", 200, (0.97, 1.00), (0.50, 0.85), (0.0, 0.02)),
    ("20 % new", 200, (1.00, 1.00), (1.00, 1.00), (0.25, 0.90)),
    ("5 % lost", 150, (0.00, 0.00), (0.00, 0.00), (0.0, 0.0)),
    ("5 % lost", 200, (0.80, 1.00), (0.80, 1.00), (0.0, 0.0)),
    ("5 % lost", 500, (0.98, 1.00), (0.90, 1.00), (0.0, 0.0)),
]  # fmt: skip


@pytest.mark.parametrize(("shift", "rows", *LEVELS), TABLE, ids=[f"{row[0]} in {row[1]}" for row in TABLE])
def test_which_shift_is_found_after_how_many_rows(rng, shift, rows, seen, warn, alarm):
    values = ["a", "b", "c", "d", "e"]
    # The chance of a false alarm is shared by all features; what the others show does not matter here.
    others = {f"other{number}": [0.0] for number in range(FEATURES - 1)}
    flagged = []
    for _ in range(100):
        if shift.endswith(("lost", "new")):
            known = summarize_categories(rng.choice(values, ROWS, p=[0.35, 0.3, 0.2, 0.1, 0.05]), ROWS, 0)
        else:
            known = summarize_numbers(rng.normal(size=ROWS))
        features = dict.fromkeys(others, summarize_numbers([0.0, 1.0])) | {"x": known}
        result = close(Reference(features), others | {"x": draw_shifted(rng, shift, rows, values)}, rows)
        flagged.append(next(each.level for each in result.features if each.name == "x"))
    found = [share(flagged, level) for level in LEVELS]
    for value, (least, most) in zip(found, (seen, warn, alarm), strict=True):
        assert least <= value <= most, found


def draw_shifted(rng, shift, rows, values):
    kind, _, by = shift.rpartition(" ") if "%" in shift else shift.partition(" ")
    if kind == "mean":
        return rng.normal(float(by.split()[0]), 1, rows)
    if kind == "sd":
        return rng.normal(0, float(by[1:]), rows)
    if by == "missing":
        return np.where(rng.random(rows) < 0.05, np.nan, rng.normal(size=rows))
    if by == "new":
        return np.where(rng.random(rows) < 0.2, "new", rng.choice(values, rows, p=[0.35, 0.3, 0.2, 0.1, 0.05]))
    return rng.choice(values[:4], rows, p=np.array([0.35, 0.3, 0.2, 0.1]) / 0.95)
