"""Writes train and eval records, the transform graph and `rows.json` of the package `named` to the folder given."""

import json
import os
import sys
from pathlib import Path

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from hilir.components.transform.preprocessing import make_custom_config, preprocessing_fn

SPEC = {
    "x": tf.io.FixedLenFeature([2], tf.float32),
    "species": tf.io.VarLenFeature(tf.string),
    "w": tf.io.VarLenFeature(tf.float32),
}
SPECIES = ("Gentoo", "Adelie", "Chinstrap")
ROWS, HELD_OUT = 120, 60


def main(folder: Path) -> None:
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
    rows = make_rows()
    raw_rows = [{"x": row["x"], "species": [row["species"]] if row["species"] else [], "w": [row["w"]]} for row in rows]
    config = make_custom_config("named", "1", "w")
    with beam.Pipeline("FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
        raw = pipeline | beam.Create(raw_rows)
        function = (raw, metadata) | tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, config))
        function | tft_beam.WriteTransformFn(str(folder / "transform"))
    metadata_io.write_metadata(metadata, str(folder / "transform/metadata"))
    write(folder / "train-00000-of-00001.gz", rows[:ROWS])
    write(folder / "eval-00000-of-00001.gz", rows[ROWS:])
    (folder / "rows.json").write_text(json.dumps({"train": rows[:ROWS], "eval": rows[ROWS:]}))


def make_rows() -> list[dict]:
    random = np.random.default_rng(11)
    rows = []
    for row in range(ROWS + HELD_OUT):
        name = SPECIES[random.choice(3, p=[0.5, 0.35, 0.15])]
        x = random.normal(size=2) + {"Gentoo": 1, "Adelie": -1, "Chinstrap": 0}[name]
        label = None if row % 17 == 3 else name
        rows.append({"x": np.float32(x).tolist(), "species": label, "w": float(random.choice([0.5, 1.0, 4.0]))})
    return rows


def write(path: Path, rows: list[dict]) -> None:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in rows:
            example = tf.train.Example()
            feature = example.features.feature
            feature["x"].float_list.value.extend(row["x"])
            feature["w"].float_list.value.append(row["w"])
            if row["species"]:
                feature["species"].bytes_list.value.append(row["species"].encode())
            writer.write(example.SerializeToString())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
