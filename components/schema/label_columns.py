"""The columns of a schema that only the label of a package reads."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils

from hilir.components.trainer.export.label_columns import find_label_columns
from hilir.components.trainer.export.raw_features import make_raw_features, type_specs


def read_label_columns(schema: schema_pb2.Schema, package: str) -> frozenset[str]:
    """Returns the columns that only the label may see, and the label's own name.

    Args:
        schema: of the raw data.
        package: the model package; its model.py is not imported.
    """
    features = import_module(f"{package}.features")
    label = features.LABEL
    labels = [label] if isinstance(label, str) else label.values() if isinstance(label, Mapping) else label
    specs = type_specs(make_raw_features(schema_utils.schema_as_feature_spec(schema).feature_spec, schema))
    own = import_module(f"{package}.preprocessing").preprocessing_fn
    try:
        columns = find_label_columns(getattr(features, "LABEL_COLUMNS", None), labels, own, specs)
    except Exception:  # noqa: BLE001 - the user's own code; Transform shows what is an error for the data as they are
        columns = frozenset()
    return columns | frozenset(labels)
