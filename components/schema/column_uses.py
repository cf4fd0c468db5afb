"""Writes into a schema what its columns are for, as the gate wants to know it."""

from __future__ import annotations

from collections.abc import Collection

from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.data_gate.uses import LABEL, UNREAD
from hilir.components.missing import has_one_value
from hilir.components.schema.traced import Traced


def note_uses(
    schema: schema_pb2.Schema, traced: Traced, label_columns: Collection[str], labels: Collection[str]
) -> None:
    """Tags the columns that nobody reads, and those whose empty cells are rows without a label.

    Args:
        schema: changed in place.
        traced: preprocessing_fn with its columns.
        label_columns: the columns that only labels may see.
        labels: among what preprocessing_fn returns.
    """
    if traced.outputs is None:
        return
    for feature in schema.feature:
        if feature.name not in traced.read:
            feature.annotation.tag.append(UNREAD)
        elif feature.name in label_columns and has_one_value(feature):
            found = traced.with_sparse([feature.name])
            changed = [found[name][0] for name in labels if found[name] != traced.outputs[name]] if found else []
            # Made dense, an empty cell is a value like any other.
            if changed and set(changed) == {"SparseTensor"}:
                feature.annotation.tag.append(LABEL)
