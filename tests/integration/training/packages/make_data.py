"""Writes 103 train and 21 eval records and the transform graph of the package `recorded` to the folder given."""

import os
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from recorded import features
from recorded.preprocessing import preprocessing_fn
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

ROWS, HELD_OUT = 103, 21
SPEC = {
    "x": tf.io.FixedLenFeature([features.WIDTH], tf.float32),
    "id": tf.io.FixedLenFeature([1], tf.int64),
    "label": tf.io.FixedLenFeature([1], tf.int64),
}


def main(folder: Path) -> None:
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
    rows = make_rows()
    with beam.Pipeline("FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
        raw = pipeline | beam.Create(rows)
        function = (raw, metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        function | tft_beam.WriteTransformFn(str(folder / "transform"))
    metadata_io.write_metadata(metadata, str(folder / "transform/metadata"))
    write(folder / "train-00000-of-00001.gz", rows[:ROWS])
    write(folder / "eval-00000-of-00001.gz", rows[ROWS:])


def make_rows() -> list[dict[str, Any]]:
    random = np.random.default_rng(7)
    centres = random.normal(size=(3, features.WIDTH))
    rows = []
    for row in range(ROWS + HELD_OUT):
        label = int(random.integers(3))
        x = (centres[label] + random.normal(scale=0.7, size=features.WIDTH)).astype("float32")
        rows.append({"x": x, "id": np.array([row]), "label": np.array([label])})
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    def feature(name: str, values: Any) -> tf.train.Feature:
        if name == "x":
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in rows:
            named = tf.train.Features(feature={name: feature(name, values) for name, values in row.items()})
            writer.write(tf.train.Example(features=named).SerializeToString())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
