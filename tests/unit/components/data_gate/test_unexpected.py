"""Unexpected values are counted in the rows that TFDV looked at."""

from __future__ import annotations

import pandas as pd
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.data_gate.unexpected import describe_unexpected
from hilir.components.data_gate.validator import validate

WORDS = ["Dream"] * 30 + ["Anvers"] * 12 + ["Ä\n"] * 1
SCHEMA = 'feature { name: "island" type: BYTES domain: "island" } string_domain { name: "island" value: "Dream" }'


def test_each_value_has_its_number_of_rows(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "rows.gz"), "GZIP") as writer:
        for word in WORDS:
            example = tf.train.Example()
            example.features.feature["island"].bytes_list.value.append(word.encode())
            writer.write(example.SerializeToString())
    statistics = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"island": WORDS}))
    anomalies = validate(statistics, text_format.Parse(SCHEMA, schema_pb2.Schema()), None, None)
    assert describe_unexpected(anomalies, str(tmp_path)) == {"island": "'Anvers' in 12 rows, 'Ä\\n' in 1 row"}
