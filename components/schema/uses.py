"""Writes into a schema what its columns are for, as the gate wants to know it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.data_gate.uses import LABEL, UNREAD
from hilir.components.missing import has_one_value
from hilir.components.schema.missing_cells import read_raw_features, trace
from hilir.components.trainer.export.raw_features import type_specs
from hilir.components.transform.unread import find_read


def note_uses(
    schema: schema_pb2.Schema,
    preprocessing_fn: Callable[[Any], Any],
    label_columns: Collection[str],
    labels: Collection[str],
) -> None:
    """Tags the columns that nobody reads, and those whose empty cells are rows without a label.

    Args:
        schema: changed in place.
        preprocessing_fn: takes the raw features by name.
        label_columns: the columns that only labels may see.
        labels: among what preprocessing_fn returns.
    """
    specs = type_specs(read_raw_features(schema))
    wanted = trace(preprocessing_fn, specs)
    if wanted is None:
        return
    read = find_read(preprocessing_fn, specs)
    for feature in schema.feature:
        if feature.name not in read:
            feature.annotation.tag.append(UNREAD)
        elif feature.name in label_columns and has_one_value(feature):
            sparse = tf.SparseTensorSpec([None, None], specs[feature.name].dtype)
            found = trace(preprocessing_fn, {**specs, feature.name: sparse})
            changed = [found[name][0] for name in labels if found[name] != wanted[name]] if found else []
            # Made dense, an empty cell is a value like any other.
            if changed and set(changed) == {"SparseTensor"}:
                feature.annotation.tag.append(LABEL)
