"""Reads serialized tf.Examples in large batches, of which only the columns that are looked at are parsed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis import constants
from tfx_bsl.coders import example_coder
from tfx_bsl.tfxio import tensor_representation_util

# The model is called with a batch; rows of images are large.
_ROWS, _BYTES, _READ = 8192, 16 << 20, 256

Representations = dict[str, schema_pb2.TensorRepresentation]


def represent(schema: schema_pb2.Schema, columns: Collection[str] | None) -> tuple[schema_pb2.Schema, Representations]:
    """Returns schema and representations of these columns alone; None means all."""
    known: Representations = tensor_representation_util.InferTensorRepresentationsFromMixedSchema(schema)
    if columns is None:
        return schema, known
    chosen = {name: known[name] for name in columns if name in known}
    needed = set(columns)
    for representation in chosen.values():
        paths = tensor_representation_util.GetSourceColumnsFromTensorRepresentation(representation)
        needed |= {path.steps()[0] for path in paths}
    features = [feature for feature in schema.feature if feature.name in needed]
    return schema_pb2.Schema(feature=features), chosen


class ReadBatches(beam.PTransform):
    """Returns record batches with the parsed columns and, in `tfma.ARROW_INPUT_COLUMN`, the serialized examples."""

    def __init__(self, patterns: Sequence[str], schema: schema_pb2.Schema) -> None:
        """`patterns` of TFRecord files; `schema` has the columns to parse."""
        super().__init__()
        self._patterns, self._schema = list(patterns), schema

    def expand(self, pipeline: Any) -> Any:
        """Returns the batches."""
        files = pipeline | beam.Create(self._patterns) | "Files" >> beam.FlatMap(tf.io.gfile.glob) | beam.Reshuffle()
        return files | "Read" >> beam.ParDo(_Read(self._schema))


class _Read(beam.DoFn):
    def __init__(self, schema: schema_pb2.Schema) -> None:
        self._columns = bool(schema.feature)
        self._schema = schema.SerializeToString()
        self._decoder: Any = None

    def setup(self) -> None:
        self._decoder = example_coder.ExamplesToRecordBatchDecoder(self._schema) if self._columns else None

    def process(self, path: str) -> Iterator[pa.RecordBatch]:
        records: list[bytes] = []
        size = 0
        compression = "GZIP" if path.endswith(".gz") else ""
        for part in tf.data.TFRecordDataset(path, compression, 1 << 20).batch(_READ).as_numpy_iterator():
            records += part.tolist()
            size += sum(map(len, records[-len(part) :]))
            if len(records) >= _ROWS or size >= _BYTES:
                yield self._decode(records)
                records, size = [], 0
        if records:
            yield self._decode(records)

    def _decode(self, records: list[bytes]) -> pa.RecordBatch:
        """Returns the batch, with the serialized examples as TFX keeps them: a list of one per row."""
        offsets = pa.array(np.arange(len(records) + 1), pa.int64())
        serialized = pa.LargeListArray.from_arrays(offsets, pa.array(records, pa.large_binary()))
        parsed = self._decoder.DecodeBatch(records) if self._decoder else None
        names, arrays = (parsed.schema.names, parsed.columns) if parsed else ([], [])
        return pa.RecordBatch.from_arrays([*arrays, serialized], [*names, constants.ARROW_INPUT_COLUMN])
