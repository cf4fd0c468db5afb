"""Writes the reference of a version: how its training data and its predictions are distributed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tfx.dsl.io import fileio

from hilir.analysis.reference import (
    FeatureReference,
    Reference,
    name_category,
    summarize_categories,
    summarize_numbers,
    to_json,
)
from hilir.components.examples import TRAINING_ROWS, read_columns, read_records, summarize_column

NAME = "reference.json"
_PREDICTED_ROWS = 20_000
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
    features = summarize_examples(read_records(training, TRAINING_ROWS))
    predictions = dict(_summarize_outputs(_predict(folder, read_records(evaluation, _PREDICTED_ROWS))))
    extra = os.path.join(folder, "assets.extra")
    fileio.makedirs(extra)
    with fileio.open(os.path.join(extra, NAME), "w") as file:
        file.write(to_json(Reference(features, predictions)))


def summarize_examples(records: Iterator[bytes]) -> dict[str, FeatureReference]:
    """Returns the reference of each feature of serialized examples; one without any value is left out."""
    return {name: summarize_column(column) for name, column in read_columns(records).items()}


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
