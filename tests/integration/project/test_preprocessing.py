"""What the preprocessing that `hilir new` writes makes of real rows, next to what it looked at."""

import importlib
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from hilir.pipeline.project.columns.dates import parse_dates
from hilir.pipeline.project.columns.kinds import read_numbers
from hilir.pipeline.project.create import Wish, design_project, write_project

RANDOM = np.random.default_rng(3)
ROWS = 300
X = RANDOM.normal(size=ROWS).round(3)
TIMES = pd.Timestamp("2019-01-01") + pd.to_timedelta(RANDOM.integers(0, 10**8, ROWS), "s")
AMOUNTS = np.exp(X + 6)
KINDS = {1: tf.string, 2: tf.int64, 3: tf.float32}


def german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def some(values):
    """Returns values with some missing."""
    return [None if index % 11 == 0 else value for index, value in enumerate(values)]


def transform(folder: Path, frame: pd.DataFrame, name: str):
    """Returns the design of a project of the rows, and its numbers of each row, [rows, n]."""
    frame.to_parquet(folder / "rows.parquet")
    design = design_project(Wish(name, Path("rows.parquet"), "y", keep=tuple(frame.columns.drop("y"))))
    write_project(design, folder)
    schema = text_format.Parse((folder / name / "schema.pbtxt").read_text(), schema_pb2.Schema())
    spec = {feature.name: tf.io.VarLenFeature(KINDS[feature.type]) for feature in schema.feature}
    rows = [{key: as_list(row[key]) for key in spec} for row in frame.to_dict("records")]
    module = importlib.import_module(f"{name}.preprocessing")
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with tft_beam.Context(temp_dir=str(folder / "temp")):
        (found, _), _ = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(module.preprocessing_fn)
    return design, np.array([row["numbers"] for row in found])


def as_list(value) -> list:
    if isinstance(value, list | np.ndarray):
        return list(value)
    return [] if value is None or value != value else [value]


def scaled(values: np.ndarray) -> np.ndarray:
    """Returns z-scores, and 0 where there is no value."""
    there = np.isfinite(values)
    return np.where(there, np.clip((values - values[there].mean()) / values[there].std(), -5, 5), 0.0)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_numbers_in_texts_are_those_that_were_looked_at(folder):
    frame = pd.DataFrame(
        {
            "price": some(f"€ {german(value)}" for value in AMOUNTS),
            "rate": some(f"{value:.1f} %" for value in X),
            "cost": [f"$({value:,.0f})" if value > 500 else f"${value:,.0f}" for value in AMOUNTS],
            "digits": some(f"{value:.0f}" for value in X * 40),
            "member": some(RANDOM.choice(["yes", "Y", "TRUE ", "No", "f", "0"], ROWS)),
            "y": np.where(X > 0, "good", "bad"),
        }
    )
    design, numbers = transform(folder, frame, "texts")
    by_name = {column.name: column for column in design.columns}
    assert {name: column.format for name, column in by_name.items()} == {
        "price": ",", "rate": ".", "cost": ".", "digits": ".", "member": "yes",
    }  # fmt: skip
    cells = design.table.cells
    names = [column.name for column in design.of("number")] + [column.name for column in design.of("log number")]
    for position, name in enumerate(names):
        values = read_numbers(cells[name], by_name[name]).to_numpy()
        assert np.isfinite(values).sum() == cells[name].notna().sum(), name
        if by_name[name].kind == "log number":
            values = np.log1p(np.maximum(values, 0))
        np.testing.assert_allclose(numbers[:, position], scaled(values), atol=2e-3, err_msg=name)
    assert read_numbers(cells["price"], by_name["price"])[1] == round(AMOUNTS[1], 2)
    gaps = numbers[:, len(names) :]
    np.testing.assert_array_equal(gaps, np.tile((np.arange(ROWS) % 11 == 0)[:, None], [1, gaps.shape[1]]))


@pytest.mark.parametrize(
    ("form", "hours"),
    [
        ("%Y-%m-%d %H:%M:%S", True),
        ("%d.%m.%y", False),
        ("%d %b %Y", False),
        ("%B %d, %Y", False),
        ("%m/%d/%Y %I:%M %p", True),
        ("%Y-%m", False),
    ],
)
def test_dates_are_those_that_were_looked_at(folder, form, hours):
    name = "dates" + "".join(each for each in form if each.isalpha()).lower()
    texts = some(TIMES.strftime(form))
    design, numbers = transform(folder, pd.DataFrame({"day": texts, "y": np.where(X > 0, "good", "bad")}), name)
    assert [(column.kind, column.format) for column in design.columns] == [("date", form)]
    times = parse_dates(design.table.cells["day"], form)
    there = times.notna().to_numpy()
    assert there.sum() == ROWS - len(range(0, ROWS, 11))
    days = (times - pd.Timestamp("2000-01-01")).dt.days.to_numpy()
    # A row without a date counts as one of the year 2000 in the mean, and is 0 itself.
    np.testing.assert_allclose(np.corrcoef(numbers[there, 0], days[there])[0, 1], 1.0, atol=1e-5)
    turns = np.round(2 * np.pi * ((days[1:3] - days[2]) / 7.0), 6)[0]
    angle = np.arctan2(numbers[1, 5], numbers[1, 6]) - np.arctan2(numbers[2, 5], numbers[2, 6])
    np.testing.assert_allclose(np.exp(1j * angle), np.exp(1j * turns), atol=1e-3)
    # A year begins with -1 in January, to a day, and goes to 1.
    year = (times.dt.dayofyear.to_numpy()[there] - 1) / 182.62 - 1
    off = np.abs(numbers[there, 1] - year)
    assert np.minimum(off, 2.0 - off).max() < 2 / 182
    if hours:
        hour = 2 * np.pi * times.dt.hour.to_numpy()[there] / 24
        np.testing.assert_allclose(numbers[there, 7], hour / np.pi - 1, atol=1e-4)
        np.testing.assert_allclose(numbers[there, 8], np.sin(hour), atol=1e-4)
        np.testing.assert_allclose(numbers[there, 9], np.cos(hour), atol=1e-4)
    assert numbers.shape[1] == (10 if hours else 7)
    assert not numbers[~there].any()


def test_rows_of_less_than_a_year_say_nothing_of_seasons(folder):
    days = pd.Timestamp("2024-11-01") + pd.to_timedelta(np.arange(ROWS) % 300, "D")
    frame = pd.DataFrame({"day": some(days.strftime("%Y-%m-%d")), "y": np.where(X > 0, "good", "bad")})
    _, numbers = transform(folder, frame, "short")
    assert not numbers[:, 1:4].any()
    assert np.abs(numbers[:, 4:7]).max(axis=0).min() > 0.9


def test_times_as_numbers_and_of_a_day_lists_and_tags(folder):
    seconds = TIMES.to_numpy().astype("datetime64[s]").astype("int64")
    tags = [list(RANDOM.choice(["red", "blue", "green"], RANDOM.integers(0, 3), replace=False)) for _ in range(ROWS)]
    vectors = [[float(value), float(value) + 1.0] for value in X]
    frame = pd.DataFrame(
        {
            "created_at": seconds * 1000,
            "clock": TIMES.strftime("%H:%M"),
            "tags": tags,
            "vector": vectors,
            "y": np.where(X > 0, "good", "bad"),
        }
    )
    design, numbers = transform(folder, frame, "lists")
    assert [column.kind for column in design.columns] == ["date", "date", "tags", "vector"]
    hour = 2 * np.pi * TIMES.hour.to_numpy() / 24
    # Of the clock: a day that is always the same, and the hour.
    np.testing.assert_allclose(numbers[:, 0], 0.0, atol=1e-3)
    np.testing.assert_allclose(numbers[:, 8:10], np.stack([np.sin(hour), np.cos(hour)], axis=1), atol=1e-4)
    epoch = numbers[:, 10:20]
    days = (TIMES - pd.Timestamp("2000-01-01")).days.to_numpy()
    np.testing.assert_allclose(epoch[:, 0], scaled(days.astype(float)), atol=1e-3)
    np.testing.assert_allclose(epoch[:, 8:10], np.stack([np.sin(hour), np.cos(hour)], axis=1), atol=1e-4)
    np.testing.assert_allclose(numbers[:, 20:22], np.stack([scaled(X), scaled(X)], axis=1), atol=1e-3)
    vocabulary = {tag for row in tags for tag in row}
    found = numbers[:, 22:26]
    counts = sorted(vocabulary, key=lambda tag: (sum(tag in row for row in tags), tag), reverse=True)
    expected = np.array([[tag in row for tag in counts] + [False] for row in tags], float)
    np.testing.assert_array_equal(found, expected)


def test_units_that_differ_tags_in_texts_and_pairs_are_those_that_were_looked_at(folder):
    minutes = RANDOM.integers(0, 3000, ROWS)
    colours = [
        "; ".join(["green", *["red"] * a, *["blue", "yellow"] * b, *["grey"] * c, *["tan"] * d])
        for a, b, c, d in ((n % 2 == 0, n % 3 == 0, n % 5 == 0, n % 7 == 0) for n in minutes.tolist())
    ]
    frame = pd.DataFrame(
        {
            "ride": some(f"{n // 60}h {n % 60} min" if n > 60 else f"{n},0 min" for n in minutes),
            "size": some(f"{n} kB" if n % 2 else f"{n / 10:.1f} MB" for n in minutes),
            "lap": some(f"{n // 60}:{n % 60:02d}:30" if n > 600 else f"{n}:30" for n in minutes % 1500),
            "views": some(f"${n / 1000:.1f}K" if n > 999 else f"$ {n}" for n in minutes),
            "height": some(f"{n % 3 + 4}'{n % 12}\"" for n in minutes),
            "pressure": some(f"{n % 60 + 100}/{n % 45 + 55}" for n in minutes),
            "colours": some(colours),
            "y": np.where(X > 0, "good", "bad"),
        }
    )
    design, numbers = transform(folder, frame, "units")
    by_name = {column.name: column for column in design.columns}
    assert {name: (column.kind.removeprefix("log "), column.format) for name, column in by_name.items()} == {
        "ride": ("number", "units"), "size": ("number", "units"), "lap": ("number", "clock"),
        "views": ("number", "units"), "height": ("number", "units"), "pressure": ("vector", "numbers"),
        "colours": ("tags", ";"),
    }  # fmt: skip
    there = np.arange(ROWS) % 11 != 0
    expected = {
        "ride": minutes * 60.0,
        "size": np.where(minutes % 2, minutes * 1e3, minutes * 1e5),
        "lap": (minutes % 1500) * 60.0 + 30,
        "views": [float(f"{n / 1000:.1f}") * 1000 if n > 999 else n for n in minutes],
        "height": ((minutes % 3 + 4) * 12.0 + minutes % 12) * 0.0254,
    }
    names = [column.name for column in design.of("number")] + [column.name for column in design.of("log number")]
    assert sorted(names) == sorted(expected)
    for position, name in enumerate(names):
        values = np.where(there, expected[name], np.nan)
        np.testing.assert_allclose(read_numbers(design.table.cells[name], by_name[name]), values, rtol=1e-6)
        values = np.log1p(values) if by_name[name].kind == "log number" else values
        np.testing.assert_allclose(numbers[:, position], scaled(values), atol=2e-3, err_msg=name)
    pair = numbers[:, 2 * len(names) :][:, :2]
    # A row without numbers counts as zeros in the mean.
    for place, values in enumerate((minutes % 60 + 100, minutes % 45 + 55)):
        np.testing.assert_allclose(np.corrcoef(pair[there, place], values[there])[0, 1], 1.0, atol=1e-5)
    found = numbers[:, -(6 + 1) :]
    assert found[there, 0].all()
    assert not found[~there].any()
    sums = found[there].sum(axis=1)
    np.testing.assert_array_equal(
        sums, [len(text.split(";")) for text, kept in zip(colours, there, strict=True) if kept]
    )


def test_a_text_without_numbers_where_several_are_has_none(folder):
    minutes = RANDOM.integers(0, 3000, ROWS)
    pairs = [f"{n % 60 + 100}/{n % 45 + 55}" for n in minutes]
    pairs[3], pairs[7] = "n/a - ...", "+"
    frame = pd.DataFrame({"pressure": pairs, "y": np.where(X > 0, "good", "bad")})
    design, numbers = transform(folder, frame, "strays")
    assert [(column.kind, column.format, column.width) for column in design.columns] == [("vector", "numbers", 2)]
    there = ~np.isin(np.arange(ROWS), (3, 7))
    for place, values in enumerate((minutes % 60 + 100, minutes % 45 + 55)):
        np.testing.assert_allclose(np.corrcoef(numbers[there, place], values[there])[0, 1], 1.0, atol=1e-5)
    # As a row without a text: zeros, before they are scaled.
    np.testing.assert_array_equal(numbers[3], numbers[7])
    assert (numbers[3] <= numbers.min(axis=0)).all()
