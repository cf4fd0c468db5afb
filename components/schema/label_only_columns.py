"""The columns of a schema that only the label of a package reads."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.schema.traced import read_raw_features
from hilir.components.trainer.export.label_columns import find_label_columns
from hilir.components.trainer.export.raw_features import type_specs


def list_labels(package: str) -> list[str]:
    """Returns the labels among what preprocessing_fn returns; the package's model.py is not imported."""
    label = import_module(f"{package}.features").LABEL
    return [label] if isinstance(label, str) else list(label.values() if isinstance(label, Mapping) else label)


def read_label_columns(schema: schema_pb2.Schema, package: str) -> frozenset[str]:
    """Returns the columns that only the label may see, and the labels' own names.

    Args:
        schema: of the raw data.
        package: the model package; its model.py is not imported.
    """
    labels = list_labels(package)
    declared = getattr(import_module(f"{package}.features"), "LABEL_COLUMNS", None)
    own = import_module(f"{package}.preprocessing").preprocessing_fn
    raw = read_raw_features(schema)
    single = [name for name, each in raw.items() if isinstance(each.spec, tf.io.VarLenFeature) and not each.several]
    complete = {name: tf.TensorSpec([None, 1], raw[name].dtype) for name in single}

    def find(specs: Mapping[str, tf.TypeSpec]) -> frozenset[str] | None:
        try:
            return find_label_columns(declared, labels, own, specs)
        except Exception:  # noqa: BLE001 - the user's own code; Transform shows what is an error for the data as they are
            return None

    found = find(type_specs(raw))
    # Code that fails on empty cells may still say what it reads.
    found = found if found is not None or not complete else find(type_specs(raw) | complete)
    return frozenset(labels) | (found or frozenset())
