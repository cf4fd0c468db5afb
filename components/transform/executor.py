"""TFX's Transform with reading and writing in batches, in place of a Beam element for each row."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tfx_bsl
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils
from tfx.components.transform import executor as tfx_transform
from tfx.components.transform import labels
from tfx.components.transform.component import Transform as TfxTransform
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

from hilir.components.batches import BatchSource
from hilir.components.errors import ModelPackageError
from hilir.components.missing import keep_features, list_filled
from hilir.components.transform.empty_cells import explain_needed, find_needed
from hilir.components.transform.preprocessing import add_single, leave_out, preprocessing_fn
from hilir.components.transform.unread import MANY, NONE, Unread, find_read, list_unread, names_of

# Half of the time of level 6, and files a tenth larger.
_LEVEL = 1
_SUFFIX = ".gz"
# As Arrow says that an output has more or fewer rows than another one.
_ROWS = re.compile(r"Arrays were not all the same length: (\d+) vs (\d+)")


class Executor(tfx_transform.Executor):
    """TFX's executor, with a processor of our own."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:  # noqa: N802 - TFX's name
        """Analyzes and transforms the examples."""
        config = json.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        unread, schema = NONE, None
        if config:
            uri = artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY])
            schema = io_utils.parse_pbtxt_file(io_utils.get_only_uri_in_dir(uri), schema_pb2.Schema())
            config = add_single(config, schema)
            unread = find_unread(config, schema)
            config = json.dumps(leave_out(config, unread))
            exec_properties = exec_properties | {standard_component_specs.CUSTOM_CONFIG_KEY: config}
        before = tfx_transform.TransformProcessor
        # Its class is named in TFX's code.
        tfx_transform.TransformProcessor = partial(Processor, names_of(unread))
        try:
            super().Do(input_dict, output_dict, exec_properties)
        except (TypeError, ValueError, AttributeError) as error:
            rows = _ROWS.search(str(error))
            if rows is not None and schema is not None:
                raise ModelPackageError(
                    f"{json.loads(config)['package']}.preprocessing.preprocessing_fn returns features of {rows[1]} and "
                    f"of {rows[2]} rows for the same rows; return a value for each row, without operations that leave "
                    f"rows out or join them (tf.boolean_mask, tf.unique, tf.sparse.reset_shape, tf.reshape)"
                ) from error
            needed = _find_needed(config, schema) if schema is not None else []
            if needed:
                raise ModelPackageError(explain_needed(json.loads(config)["package"], needed)) from error
            raise
        finally:
            tfx_transform.TransformProcessor = before


def find_unread(config: dict[str, str], schema: schema_pb2.Schema) -> Unread:
    """Returns the columns of a wide schema that preprocessing_fn does not read.

    Args:
        config: `custom_config` as `add_single` returns it.
        schema: of the raw data; features made of several columns, which SchemaGen does not make, leave it whole.
    """
    represented = sum(len(group.tensor_representation) for group in schema.tensor_representation_group.values())
    is_plain = not (schema.sparse_feature or schema.weighted_feature or represented > len(list_filled(schema)))
    if len(schema.feature) <= MANY or not is_plain:
        return NONE
    specs = impl_helper.get_type_specs_from_feature_specs(schema_utils.schema_as_feature_spec(schema).feature_spec)
    return list_unread(specs, find_read(partial(preprocessing_fn, custom_config=config), specs))


def _find_needed(config: str, schema: schema_pb2.Schema) -> list[str]:
    settings = json.loads(config)
    settings.pop("unread", None)
    specs = impl_helper.get_type_specs_from_feature_specs(schema_utils.schema_as_feature_spec(schema).feature_spec)
    return find_needed(partial(preprocessing_fn, custom_config=settings), specs, json.loads(settings["single"]))


class Transform(TfxTransform):
    """TFX's component, with that executor."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)


class Processor(tfx_transform.TransformProcessor):
    """Reads and writes record batches."""

    def __init__(self, unread: frozenset[str]) -> None:
        """`unread`: columns that are not even decoded."""
        super().__init__()
        self._unread = unread

    def _ReadMetadata(self, data_format: int, schema_path: str) -> Any:  # noqa: N802 - TFX's name
        metadata = super()._ReadMetadata(data_format, schema_path)
        if not self._unread:
            return metadata
        read = {each.name for each in metadata.schema.feature} - self._unread
        return dataset_metadata.DatasetMetadata(keep_features(metadata.schema, read))

    def _CreateTFXIO(self, dataset: Any, schema: schema_pb2.Schema) -> Any:  # noqa: N802 - TFX's name
        source = super()._CreateTFXIO(dataset, schema)
        if type(source) is not BatchSource.__base__:
            return source
        return BatchSource(
            source._file_pattern,
            schema=source._schema,
            raw_record_column_name=source.raw_record_column_name,
            telemetry_descriptors=source.telemetry_descriptors,
        )

    @staticmethod
    def _EncodeAndWrite(schema: schema_pb2.Schema, file_format: str, output_path: str) -> beam.PTransform:  # noqa: N802
        if file_format != labels.FORMAT_TFRECORD:
            raise NotImplementedError(f"the format {file_format} of transformed examples is not supported")
        return WriteBatches(schema, output_path)


class WriteBatches(beam.PTransform):
    """Writes transformed record batches as tf.Examples to files `PREFIX-00000-of-00002.gz`.

    Each bundle has a file of its own, which gets its name when all are complete: a bundle that is run again leaves
    nothing that counts.
    """

    def __init__(self, schema: schema_pb2.Schema, prefix: str) -> None:
        super().__init__()
        self._schema, self._prefix = schema, prefix

    def expand(self, batches: Any) -> Any:
        """Returns the names of the files."""
        parts = batches | "Write" >> beam.ParDo(_Write(self._schema, self._prefix))
        return parts | "List" >> beam.combiners.ToList() | "Name" >> beam.FlatMap(_name, self._prefix)


class _Write(beam.DoFn):
    def __init__(self, schema: schema_pb2.Schema, prefix: str) -> None:
        self._encoder = tfx_bsl.coders.example_coder.RecordBatchToExamplesEncoder(schema)
        self._prefix = prefix
        self._path = ""
        self._writer: Any = None

    def process(self, element: tuple[Any, Any]) -> None:
        batch, _ = element
        if self._writer is None:
            self._path = f"{self._prefix}.part-{uuid.uuid4().hex}"
            fileio.makedirs(os.path.dirname(self._path))
            options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=_LEVEL)
            self._writer = tf.io.TFRecordWriter(self._path, options)
        for example in self._encoder.encode(batch):
            self._writer.write(example)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            yield WindowedValue(self._path, GlobalWindow().max_timestamp(), [GlobalWindow()])


def _name(parts: Sequence[str], prefix: str) -> Iterator[str]:
    """Gives the files their names; called again, it leaves those that have theirs."""
    for number, part in enumerate(sorted(parts)):
        name = f"{prefix}-{number:05d}-of-{len(parts):05d}{_SUFFIX}"
        if fileio.exists(part):
            fileio.rename(part, name, overwrite=True)
        yield name
