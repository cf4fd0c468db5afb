"""Small projects whose models are transformed by Beam and exported by the trainer's own code, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Project:
    """An exported model as version 1 of the model `small`, with golden requests, and its rows as tf.Examples."""

    root: Path
    records: list[bytes]

    @property
    def model(self) -> Path:
        """The version's folder."""
        return self.root / "small" / "1"

    def rows(self):
        """The rows as the exporter reads them."""
        from hilir.components.exporter.example_rows import Rows

        return Rows(tuple(self.records))

    def answers(self) -> dict[str, np.ndarray]:
        """The outputs of the signature `examples` by name, for all rows."""
        import tensorflow as tf

        found = tf.saved_model.load(str(self.model)).signatures["examples"](examples=tf.constant(self.records))
        return {name: value.numpy() for name, value in found.items()}

    def inputs(self) -> dict[str, np.ndarray]:
        """All rows as inputs of `serving_default`."""
        import tensorflow as tf

        from hilir.components.pusher.manifest import describe_signatures

        described = describe_signatures(str(self.model))["serving_default"]["inputs"]
        specs = {
            name: tf.TensorSpec([None if size == -1 else size for size in entry["shape"]], entry["dtype"])
            for name, entry in described.items()
        }
        return self.rows().arrays(specs)


def ask_session(model: Path, signature: str, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
    """Asks as TensorFlow Serving does: a session, and the tensors that the SignatureDef names."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        definition = tf.compat.v1.saved_model.load(session, ["serve"], str(model)).signature_def[signature]
        assert set(inputs) == set(definition.inputs)
        feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
        return session.run({name: info.name for name, info in definition.outputs.items()}, feeds)


def to_example(row: dict[str, Any]) -> bytes:
    """Returns the row as a serialized tf.Example; None is a missing value, a list several values."""
    import tensorflow as tf

    feature = {}
    for name, value in row.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        values = [item.encode() if isinstance(item, str) else item for item in values]
        if not values:
            continue  # as ExampleGen writes an empty cell
        if isinstance(values[0], bytes):
            feature[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        elif isinstance(values[0], int):
            feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        else:
            feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


def make_project(
    folder: Path, schema: str, rows: list[dict[str, Any]], preprocessing_fn: Any, build: Any, label: str
) -> Project:
    """Transforms the rows, builds the model without training it, and exports it.

    Args:
        folder: where to write.
        schema: the raw schema, a text proto.
        rows: raw rows, whose label column is `label`.
        preprocessing_fn: as in a model package.
        build: returns the network.
        label: raw column and transformed feature.
    """
    import tensorflow as tf
    import tensorflow_transform as tft
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    from hilir.components.pusher.golden_requests import write_golden
    from hilir.components.trainer.export.saved_model import export
    from hilir.components.trainer.model_package import ModelPackage

    records = [to_example(row) for row in rows]
    transform = _transform(
        folder / "transform", text_format.Parse(schema, schema_pb2.Schema()), records, preprocessing_fn
    )
    package = ModelPackage("small", label, (label,), preprocessing_fn, build, None)
    tf.keras.utils.set_random_seed(5)
    project = Project(folder / "root", records)
    export(build(), tft.TFTransformOutput(transform), package, str(project.model))
    with tf.io.TFRecordWriter(str(folder / "rows.gz"), "GZIP") as writer:
        for record in records:
            writer.write(record)
    write_golden(str(project.model), "small", [str(folder / "rows.gz")])
    return project


def _transform(folder: Path, schema: Any, records: list[bytes], preprocessing_fn: Any) -> str:
    import apache_beam as beam
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
    from tfx_bsl.public import tfxio

    graph = str(folder / "graph")
    source = tfxio.TFExampleBeamRecord(physical_format="inmem", schema=schema)
    with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=str(folder / "temp")):
        batches = pipeline | beam.Create(records) | source.BeamSource()
        analyzed = (batches, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(preprocessing_fn)
        _ = analyzed | tft_beam.WriteTransformFn(graph)
    raw = f"{graph}/{tft.TFTransformOutput.RAW_METADATA_DIR}"
    metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), raw)
    return graph
