"""tf.Examples in files as large record batches, read without a Python object for each row in Beam's hands.

Only the columns that are looked at are parsed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder
from tfx_bsl.tfxio import tensor_representation_util, tf_example_record

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
    """Returns record batches with the parsed columns."""

    def __init__(self, patterns: Sequence[str], schema: schema_pb2.Schema, serialized: str | None = None) -> None:
        """`patterns` of TFRecord files; `schema` has the columns to parse; `serialized` examples go to that column."""
        super().__init__()
        self._patterns, self._schema, self._serialized = list(patterns), schema, serialized

    def expand(self, pipeline: Any) -> Any:
        """Returns the batches."""
        files = pipeline | beam.Create(self._patterns) | "Files" >> beam.FlatMap(tf.io.gfile.glob) | beam.Reshuffle()
        return files | "Read" >> beam.ParDo(_Read(self._schema, self._serialized))


class BatchSource(tf_example_record.TFExampleRecord):
    """TFXIO of tf.Examples in TFRecord files that reads by `ReadBatches`."""

    _schema: schema_pb2.Schema

    def BeamSource(self, batch_size: int | None = None) -> beam.PTransform:  # noqa: N802 - TFXIO's name
        """Returns what reads the record batches, whose size follows from that of the rows."""
        del batch_size
        return ReadBatches(self._file_pattern, self._schema, self.raw_record_column_name)

    def _ProjectImpl(self, tensor_names: list[str]) -> BatchSource:  # noqa: N802 - TFXIO's name
        if self._schema.tensor_representation_group:
            # TFXIO projects features that are represented, and forgets those whose representation it infers.
            representations = self.TensorRepresentations()
            self._schema = deepcopy(self._schema)
            tensor_representation_util.SetTensorRepresentationsInSchema(self._schema, representations)
        projected = super()._ProjectImpl(tensor_names)
        return BatchSource(
            self._file_pattern,
            schema=projected._schema,
            raw_record_column_name=self.raw_record_column_name,
            telemetry_descriptors=self.telemetry_descriptors,
        )


class _Read(beam.DoFn):
    def __init__(self, schema: schema_pb2.Schema, serialized: str | None) -> None:
        self._serialized = serialized
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
        """Returns the batch; serialized examples stand in it as TFX keeps them, in lists of one."""
        parsed = self._decoder.DecodeBatch(records) if self._decoder else None
        names, arrays = (parsed.schema.names, parsed.columns) if parsed else ([], [])
        if self._serialized is None:
            return pa.RecordBatch.from_arrays(arrays, names)
        offsets = pa.array(np.arange(len(records) + 1), pa.int64())
        column = pa.LargeListArray.from_arrays(offsets, pa.array(records, pa.large_binary()))
        return pa.RecordBatch.from_arrays([*arrays, column], [*names, self._serialized])
