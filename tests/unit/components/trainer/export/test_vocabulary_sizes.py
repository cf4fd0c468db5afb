import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from hilir.components.trainer.export.vocabulary_sizes import find_vocabulary_sizes

SPEC = {
    "at": tf.io.VarLenFeature(tf.string),
    "booked": tf.io.FixedLenFeature([1], tf.string),
    "kind": tf.io.VarLenFeature(tf.string),
}
ROWS = [
    {"at": ["2025-03-01 17:05"], "booked": ["2025-03-01"], "kind": ["a"]},
    {"at": [], "booked": ["2025-04-01"], "kind": ["b"]},
    {"at": ["2025-04-01 03:00"], "booked": ["2025-05-01"], "kind": []},
]


def preprocess(inputs):
    def dense(value, missing):
        return tf.sparse.to_dense(tf.SparseTensor(value.indices, value.values, [value.dense_shape[0], 1]), missing)

    kind = tft.compute_and_apply_vocabulary(inputs["kind"], num_oov_buckets=2)
    at = dense(inputs["at"], "1970-01-01 00:00")
    return {
        "kind": dense(kind, tf.constant(4, tf.int64)),
        "hour": tf.strings.to_number(tf.strings.substr(at, 11, 2), tf.int64),
        "month": tf.strings.to_number(tf.strings.substr(inputs["booked"], 5, 2), tf.int64),
    }


def test_text_that_may_not_be_any_string_does_not_hide_the_vocabularies(tmp_path):
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
    (booked,) = (feature for feature in metadata.schema.feature if feature.name == "booked")
    booked.annotation.tag.append('hilir.typical="2025-04-01"')
    with beam.Pipeline("FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(tmp_path / "tmp")):
        function = (pipeline | beam.Create(ROWS), metadata) | tft_beam.AnalyzeDataset(preprocess)
        function | tft_beam.WriteTransformFn(str(tmp_path / "transform"))
    metadata_io.write_metadata(metadata, str(tmp_path / "transform/metadata"))
    assert find_vocabulary_sizes(tft.TFTransformOutput(str(tmp_path / "transform"))) == {"kind": 5}
