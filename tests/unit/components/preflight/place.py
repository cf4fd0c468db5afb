"""Small projects as a preflight sees them: a model package on disk, rows, and a transform graph made without Beam."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.exporter.small_project import to_example

CONFIG = """
model: {name: small, package: PACKAGE}
data: {path: data, pattern: "*.csv"}
train: {batch_size: 32, tensorboard: false}
evaluate:
  metrics: [{name: accuracy, class: SparseCategoricalAccuracy}]
  thresholds: [{metric: accuracy, min: 0.1}]
"""


@contextmanager
def written(folder: Path, name: str, sources: Mapping[str, str]) -> Iterator[None]:
    """Makes a model package importable while the block runs; `sources` by module."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for module, source in sources.items():
        (package / f"{module}.py").write_text(source)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for module in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[module]


def read_settings(folder: Path, package: str, settings: Sequence[str], config: str = CONFIG) -> Any:
    """Returns the preflight's settings of a configuration, as they come out of its parameter."""
    from hilir.components.preflight.settings import make_parameter, read_parameter
    from hilir.pipeline.config import load

    path = folder / "small.yaml"
    path.write_text(config.replace("PACKAGE", package))
    found = load(str(path), settings=settings).config
    return read_parameter(
        make_parameter(found.model.name, package, found.train, found.evaluate, found.export, {"model": "c0de"})
    )


def make_schema(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Returns the schema that SchemaGen infers: a column that has one value in each row is required."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    kinds = {int: schema_pb2.INT, float: schema_pb2.FLOAT, str: schema_pb2.BYTES, bytes: schema_pb2.BYTES}
    schema = schema_pb2.Schema()
    for name in rows[0]:
        values = [row[name] for row in rows]
        flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
        feature = schema.feature.add(name=name, type=next(kinds[type(item)] for item in flat if item is not None))
        if any(isinstance(value, list) for value in values):
            feature.value_count.min = 0
        elif None in values:
            feature.presence.min_count = 1
            feature.value_count.min = feature.value_count.max = 1
        else:
            feature.presence.min_fraction = 1
            feature.shape.dim.add(size=1)
    return schema


def make_data(folder: Path, rows: Sequence[Mapping[str, Any]], preprocessing_fn: Any) -> Any:
    """Transforms the rows, which are those of both splits; returns what a preflight reads."""
    import tensorflow as tf
    import tensorflow_transform as tft
    from tensorflow_transform import impl_helper
    from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

    from hilir.components.preflight.preflight import Data
    from hilir.components.preflight.sample_rows import write_rows

    graph, schema = folder / "graph", make_schema(rows)
    specs = schema_utils.schema_as_feature_spec(schema).feature_spec
    types = impl_helper.get_type_specs_from_feature_specs(specs)
    impl_helper.analyze_in_place(preprocessing_fn, False, specs, types, str(graph))
    raw_metadata = graph / tft.TFTransformOutput.RAW_METADATA_DIR
    metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), str(raw_metadata))
    records = [to_example(row) for row in rows]
    transformed = tft.TFTransformOutput(str(graph)).transform_features_layer()(tf.io.parse_example(records, specs))
    for name, content in (("raw", records), ("transformed", list(_to_examples(transformed, len(rows))))):
        (folder / name).mkdir()
        write_rows(str(folder / name / "rows.gz"), content)
    return Data(str(folder / "transformed"), str(folder / "transformed"), str(folder / "raw"), str(graph))


def _to_examples(transformed: Mapping[str, Any], count: int) -> Iterator[bytes]:
    import tensorflow as tf

    columns = {}
    for name, value in transformed.items():
        if isinstance(value, tf.SparseTensor):
            value = tf.RaggedTensor.from_sparse(value)
        columns[name] = value.to_list() if isinstance(value, tf.RaggedTensor) else value.numpy().tolist()
    for index in range(count):
        row = {name: values[index] for name, values in columns.items()}
        yield to_example({name: _flat(value) for name, value in row.items()})


def _flat(value: Any) -> list[Any]:
    return [item for part in value for item in _flat(part)] if isinstance(value, list) else [value]
