"""Scores the evaluation split with the model once more, and keeps the rows that it is most wrong on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

_BATCH = 1000
_MOST_ROWS = 50_000


def find_worst_rows(model: str, examples: str, most: int = 20) -> list[dict[str, Any]]:
    """Returns `{error, label, predicted, values}` of the worst rows among the first 50,000, the worst first.

    The error of a score or number is its distance from the label, that of scores per class is 1 minus the score of the
    right class. None of a model with several labels or outputs.

    Args:
        model: URI of the Trainer's artifact.
        examples: URI of the raw examples.
        most: how many rows.
    """
    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(os.path.join(model, "Format-Serving"))
    signatures = loaded.signatures
    found: list[tuple[float, Any, Any, bytes]] = []
    for batch in _batches(os.path.join(examples, "Split-eval")):
        serialized = tf.constant(batch)
        outputs, labels = (list(signatures[name](examples=serialized).values()) for name in ("examples", "label"))
        if len(outputs) != 1 or len(labels) != 1:
            return []
        scores, truth = outputs[0].numpy(), labels[0].numpy().reshape(len(batch), -1)[:, 0]
        if scores.dtype.kind not in "fiu" or truth.dtype.kind not in "fiub":
            return []
        scores = scores.reshape(len(batch), -1)
        if scores.shape[1] == 1:
            predicted, errors = scores[:, 0], np.abs(scores[:, 0] - truth)
        else:
            predicted = scores.argmax(axis=1)
            errors = 1 - np.take_along_axis(scores, truth.astype(np.int64)[:, None], axis=1)[:, 0]
        found += zip(errors.tolist(), truth.tolist(), predicted.tolist(), batch, strict=True)
        # A row without a label, or without a score, has no error.
        found = sorted((each for each in found if each[0] == each[0]), key=lambda each: -each[0])[:most]
    return [
        {"error": error, "label": label, "predicted": predicted, "values": _read_values(row)}
        for error, label, predicted, row in found
    ]


def _batches(folder: str) -> Iterator[list[bytes]]:
    from hilir.components.examples import read_records

    batch: list[bytes] = []
    for record in read_records([os.path.join(folder, "*")], _MOST_ROWS):
        batch.append(record)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _read_values(row: bytes) -> dict[str, Any]:
    import tensorflow as tf

    features = tf.train.Example.FromString(row).features.feature
    return {name: _show(features[name]) for name in sorted(features)}


def _show(feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    shown = [value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value for value in values[:8]]
    if len(values) > 1:
        return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in shown) + (
            ", …" if len(values) > len(shown) else ""
        )
    return shown[0] if shown else None
