"""`python -m benchmarks.train.prepare FOLDER`: writes the rows and the transform graph of the workload."""

import os
import sys
from pathlib import Path

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from benchmarks.train.workload.features import HELD_OUT, ROWS, SIDE
from benchmarks.train.workload.preprocessing import preprocessing_fn

SPEC = {
    "image": tf.io.FixedLenFeature([SIDE, SIDE, 1], tf.float32),
    "label": tf.io.FixedLenFeature([1], tf.int64),
}


def main(folder: Path) -> None:
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
    random = np.random.default_rng(1)
    sample = [{"image": random.random((SIDE, SIDE, 1), np.float32), "label": np.array([1])}]
    with beam.Pipeline("FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
        function = (pipeline | beam.Create(sample), metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        function | tft_beam.WriteTransformFn(str(folder / "transform"))
    metadata_io.write_metadata(metadata, str(folder / "transform/metadata"))
    for name, count in (("train", ROWS), ("eval", HELD_OUT)):
        with tf.io.TFRecordWriter(str(folder / f"{name}.gz"), "GZIP") as writer:
            for _ in range(count):
                writer.write(make_example(random).SerializeToString())


def make_example(random: np.random.Generator) -> tf.train.Example:
    image = tf.train.FloatList(value=random.random(SIDE * SIDE, np.float32))
    label = tf.train.Int64List(value=[int(random.integers(10))])
    features = {"image": tf.train.Feature(float_list=image), "label": tf.train.Feature(int64_list=label)}
    return tf.train.Example(features=tf.train.Features(feature=features))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
