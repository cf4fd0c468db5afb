"""Writes the reference of a version: how its training data and its predictions are distributed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tfx.dsl.io import fileio

from hilir.analysis.quality import QualityReference, fit_quality
from hilir.analysis.reference import (
    FeatureReference,
    Reference,
    name_category,
    summarize_categories,
    summarize_numbers,
    to_json,
)
from hilir.components.examples import TRAINING_ROWS, read_columns, read_records, summarize_column
from hilir.components.trainer.export.label_names import read_labels

Columns = dict[str, np.ndarray]
NAME = "reference.json"
_PREDICTED_ROWS = 20_000
_BATCH = 1000
# Outputs with more columns are summarized by their largest column only.
_MOST_COLUMNS = 20


def write_reference(folder: str, training: Sequence[str], evaluation: Sequence[str], judged: str | None = None) -> None:
    """Writes `folder`/assets.extra/reference.json.

    Args:
        folder: the version, a SavedModel with the signature `examples`.
        training: patterns of gzipped TFRecord files of raw examples, the training split.
        evaluation: the same of the evaluation split, whose predictions are described.
        judged: of a model with several outputs, the one whose quality is watched.
    """
    features = summarize_examples(read_records(training, TRAINING_ROWS))
    outputs, labels = _predict(folder, list(read_records(evaluation, _PREDICTED_ROWS)))
    predictions = dict(_summarize_outputs(outputs))
    extra = os.path.join(folder, "assets.extra")
    fileio.makedirs(extra)
    with fileio.open(os.path.join(extra, NAME), "w") as file:
        quality = _fit_quality(outputs, labels, judged, read_labels(folder))
        file.write(to_json(Reference(features, predictions, quality)))


def summarize_examples(records: Iterator[bytes]) -> dict[str, FeatureReference]:
    """Returns the reference of each feature of serialized examples; one without any value is left out."""
    return {name: summarize_column(column) for name, column in read_columns(records).items()}


def _predict(folder: str, serialized: list[bytes]) -> tuple[Columns, Columns]:
    """Returns the outputs of the signature `examples` for all records, [rows, …], and those of `label`."""
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], folder).signature_def
        return (
            _run(session, signatures["examples"], serialized),
            _run(session, signatures["label"], serialized) if "label" in signatures else {},
        )


def _run(session: Any, signature: Any, serialized: list[bytes]) -> Columns:
    (examples,) = (info.name for info in signature.inputs.values())
    fetches = {name: info.name for name, info in signature.outputs.items()}
    parts = [
        session.run(fetches, {examples: serialized[start : start + _BATCH]})
        for start in range(0, len(serialized), _BATCH)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in fetches} if parts else {}


def _fit_quality(
    outputs: Columns, labels: Columns, judged: str | None, of_output: Mapping[str, str]
) -> QualityReference | None:
    """Returns the quality of an output; None where it is not clear which one, or which label it answers."""
    numbers = {name: values for name, values in outputs.items() if values.dtype.kind in "fiu"}
    output = next(iter(numbers)) if len(numbers) == 1 else judged
    label = next(iter(labels)) if len(labels) == 1 else of_output.get(output or "", output)
    if output not in numbers or label not in labels:
        return None
    values = labels[label]
    if values.dtype.kind not in "fiub" or values.size != len(values):
        return None
    return fit_quality(output, label, numbers[output], values)


def _summarize_outputs(outputs: Columns) -> Iterator[tuple[str, FeatureReference]]:
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
