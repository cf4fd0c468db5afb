"""The examples are those of TFX's own executors, as sets of parsed examples."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from hilir.components.example_gen.ingest import Ingest
from hilir.components.example_gen.settings import ReadSettings

pytestmark = pytest.mark.slow


def make_pipeline() -> beam.Pipeline:
    return beam.Pipeline(argv=["--runner=FnApiRunner"])


Row = tuple[Any, ...]


def parse(record: bytes) -> Row:
    """Returns the features that have a value: TFX writes an empty one where there is none."""
    features = tf.train.Example.FromString(record).features.feature
    kinds = ((name, feature, feature.WhichOneof("kind")) for name, feature in sorted(features.items()))
    rows = ((name, kind, *getattr(feature, kind).value) for name, feature, kind in kinds if kind)
    return tuple(row for row in rows if len(row) > 2)


def without_zeros(row: Row) -> Row:
    """Returns the row as TFX's Parquet executor has it: `dict_to_example` takes 0 for a missing value."""
    return tuple(feature for feature in row if feature[2])


def read(pattern: str) -> collections.Counter[Row]:
    files = tf.io.gfile.glob(pattern)
    return collections.Counter(map(parse, tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()))


def ours(path: Path, folder: Path) -> collections.Counter[Row]:
    settings = ReadSettings(format="auto")
    Ingest(settings, make_pipeline, str(folder / "work")).run([(str(path), "all")], {"all": str(folder / "ours")})
    return read(f"{folder}/ours/*")


def theirs(executor: Any, path: Path, folder: Path) -> collections.Counter[Row]:
    with make_pipeline() as pipeline:
        _ = (
            pipeline
            | executor.GetInputSourceToExamplePTransform()(
                exec_properties={"input_base": str(path.parent)}, split_pattern=path.name
            )
            | beam.Map(lambda example: example.SerializeToString())
            | beam.io.WriteToTFRecord(f"{folder}/theirs", file_name_suffix=".gz")
        )
    return read(f"{folder}/theirs*")


def test_csv(taxi_rows: Path, tmp_path: Path) -> None:
    from tfx.components.example_gen.csv_example_gen.executor import Executor

    expected = theirs(Executor(), taxi_rows, tmp_path)
    assert sum(expected.values()) == 15_002
    assert ours(taxi_rows, tmp_path) == expected


def test_parquet(taxi_rows: Path, tmp_path: Path) -> None:
    from tfx.components.example_gen.custom_executors.parquet_executor import Executor

    table = pyarrow.csv.read_csv(
        taxi_rows, convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=[""])
    )
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=1_000)
    expected = theirs(Executor(), path, tmp_path)
    assert sum(expected.values()) == 15_002
    found = ours(path, tmp_path)
    assert sum(found.values()) == 15_002
    assert collections.Counter(without_zeros(row) for row in found.elements()) == expected
