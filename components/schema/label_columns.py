"""The columns of a schema that only the label of a package reads."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.schema.missing_cells import read_raw_features
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
    try:
        columns = find_label_columns(declared, labels, own, type_specs(read_raw_features(schema)))
    except Exception:  # noqa: BLE001 - the user's own code; Transform shows what is an error for the data as they are
        columns = frozenset()
    return columns | frozenset(labels)
