"""Writes the reference of a version: how its training data and its predictions are distributed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tfx.dsl.io import fileio
from tfx_bsl.coders import example_coder

from hilir.analysis.reference import (
    FeatureReference,
    Reference,
    name_category,
    summarize_categories,
    summarize_numbers,
    to_json,
)

NAME = "reference.json"
# Rows are enough from which on more of them change no decile that matters.
_TRAINING_ROWS, _PREDICTED_ROWS = 100_000, 20_000
_BATCH = 1000
# Outputs with more columns are summarized by their largest column only.
_MOST_COLUMNS = 20


def write_reference(folder: str, training: Sequence[str], evaluation: Sequence[str]) -> None:
    """Writes `folder`/assets.extra/reference.json.

    Args:
        folder: the version, a SavedModel with the signature `examples`.
        training: patterns of gzipped TFRecord files of raw examples, the training split.
        evaluation: the same of the evaluation split, whose predictions are described.
    """
    features = summarize_examples(_records(training, _TRAINING_ROWS))
    predictions = dict(_summarize_outputs(_predict(folder, _records(evaluation, _PREDICTED_ROWS))))
    extra = os.path.join(folder, "assets.extra")
    fileio.makedirs(extra)
    with fileio.open(os.path.join(extra, NAME), "w") as file:
        file.write(to_json(Reference(features, predictions)))


def summarize_examples(records: Iterator[bytes]) -> dict[str, FeatureReference]:
    """Returns the reference of each feature of serialized examples; one without any value is left out."""
    serialized = list(records)
    if not serialized:
        return {}
    batch = example_coder.ExamplesToRecordBatchDecoder().DecodeBatch(serialized)
    return {
        name: summarize_column(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if not pa.types.is_null(column.type)
    }


def summarize_column(column: pa.Array) -> FeatureReference:
    """Returns the reference of a column of lists: numbers (NaN is missing) or bytes."""
    values = column.flatten()
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        # An empty string is a missing value, as `serving_default` has it.
        present = pc.greater(pc.binary_length(values), 0)
        names = [name_category(value) for value in values.filter(present).to_pylist()]
        return summarize_categories(names, len(column), len(column) - _rows_with(column, present))
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    present = pa.array(~np.isnan(numbers))
    return summarize_numbers(numbers, len(column), len(column) - _rows_with(column, present))


def _rows_with(column: pa.Array, present: pa.Array) -> int:
    """Returns how many rows have at least one of the values that are present."""
    return len(pc.unique(pc.list_parent_indices(column).filter(present)))


def _records(patterns: Sequence[str], most: int) -> Iterator[bytes]:
    """Yields records of all files in turn, so that a part of them is not the first file only."""
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    readers = [iter(tf.compat.v1.io.tf_record_iterator(path, options)) for path in files]
    count = 0
    while readers and count < most:
        for reader in list(readers):
            record = next(reader, None)
            if record is None:
                readers.remove(reader)
            elif count < most:
                count += 1
                yield record


def _predict(folder: str, records: Iterator[bytes]) -> dict[str, np.ndarray]:
    """Returns the outputs of the signature `examples` for all records, [rows, …]."""
    serialized = list(records)
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        signature = loaded.signature_def["examples"]
        (examples,) = (info.name for info in signature.inputs.values())
        fetches = {name: info.name for name, info in signature.outputs.items()}
        parts = [
            session.run(fetches, {examples: serialized[start : start + _BATCH]})
            for start in range(0, len(serialized), _BATCH)
        ]
    return {name: np.concatenate([part[name] for part in parts]) for name in fetches} if parts else {}


def _summarize_outputs(outputs: dict[str, np.ndarray]) -> Iterator[tuple[str, FeatureReference]]:
    for name, values in sorted(outputs.items()):
        rows = len(values)
        if values.dtype.kind in "OSU":
            if values.size == rows:
                yield name, summarize_categories(map(name_category, values.ravel().tolist()), rows, 0)
        elif values.size == rows:
            yield name, summarize_numbers(values)
        elif values.ndim == 2:
            yield from _summarize_scores(name, values)


def _summarize_scores(name: str, values: Any) -> Iterator[tuple[str, FeatureReference]]:
    """Yields each column of scores, and which column is the largest."""
    columns = values.shape[1]
    if columns <= _MOST_COLUMNS:
        yield from ((f"{name}[{column}]", summarize_numbers(values[:, column])) for column in range(columns))
    yield f"{name}:largest", summarize_categories(map(str, values.argmax(axis=1).tolist()), len(values), 0)
