"""Finds which columns may have empty cells: those that preprocessing_fn also takes as sparse tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import schema_utils

from hilir.components.trainer.export.raw_features import RawFeature, make_raw_features, type_specs
from hilir.components.transform.unread import MANY, add_unread, find_read, list_unread

_Specs = Mapping[str, tf.TypeSpec]


def find_optional(schema: schema_pb2.Schema, preprocessing_fn: Callable[[Any], Any]) -> set[str]:
    """Returns the columns with a value in each row that may as well have rows without one.

    The function is traced with such columns as sparse tensors. Where its outputs are of the same kinds as before, the
    column can lose cells later, and neither the function nor the model sees another type.

    Args:
        schema: as inferred; complete columns have a shape.
        preprocessing_fn: takes the raw features by name.
    """
    raw = read_raw_features(schema)
    complete = [name for name, feature in raw.items() if feature.is_fixed and feature.spec.shape in ([], [1], (), (1,))]
    specs = type_specs(raw)
    wanted = trace(preprocessing_fn, specs)
    if wanted is None or not complete:
        return set()
    # A trace takes as long as there are columns.
    read = find_read(preprocessing_fn, specs) if len(specs) > MANY else frozenset(specs)

    def search(names: Sequence[str], found: set[str]) -> set[str]:
        """Returns `found` and what can be added to it; by halves, as mostly all can, or all but few."""
        sparse = {name: tf.SparseTensorSpec([None, None], raw[name].dtype) for name in {*names, *found}}
        given = {**specs, **sparse}
        unread = list_unread(given, read)
        narrow = {name: given[name] for name in read}
        if not names or trace(lambda inputs: preprocessing_fn(add_unread(inputs, unread)), narrow) == wanted:
            return {*names, *found}
        if len(names) == 1:
            return found
        middle = len(names) // 2
        return search(names[middle:], search(names[:middle], found))

    found = search([name for name in complete if name in read], set())
    return search([name for name in complete if name not in read], found)


def make_optional(schema: schema_pb2.Schema, names: set[str]) -> None:
    """Lets rows have no value of the columns; each column must still be there, and have one value a row at most."""
    for feature in schema.feature:
        if feature.name in names:
            allow_none(feature)
            feature.value_count.min = feature.value_count.max = 1


def allow_none(feature: schema_pb2.Feature) -> None:
    """Lets rows have no value of a feature, which must still be in some."""
    feature.ClearField("shape")
    feature.presence.ClearField("min_fraction")
    feature.presence.min_count = 1


def count_values(schema: schema_pb2.Schema, splits: Sequence[statistics_pb2.DatasetFeatureStatistics]) -> None:
    """Gives each column that has the same number of values in all rows that have any this number.

    TFDV infers a schema from one split and loosens it by the others. A column with an empty cell in a later one alone
    then has no number, as if rows had several values, and a least share of the rows that next month's data may break.
    So do lists, whose column needs no list in each row.

    Args:
        schema: as TFDV infers it, changed in place.
        splits: the statistics of all splits that it was inferred from.
    """
    found: dict[str, set[int]] = {}
    for split in splits:
        for each in split.features:
            kind = each.WhichOneof("stats")
            common = getattr(each, kind).common_stats if kind is not None else None
            if common is not None and len(each.path.step) == 1 and common.num_non_missing:
                found.setdefault(each.path.step[0], set()).update((common.min_num_values, common.max_num_values))
    for feature in schema.feature:
        # A column without a shape is sparse anyway, with lists in the data as they are in each row or not.
        if feature.HasField("presence") and (not feature.HasField("shape") or 0 < feature.presence.min_fraction < 1):
            feature.presence.ClearField("min_fraction")
            feature.presence.min_count = 1
        counts = found.get(feature.name, set())
        if len(counts) == 1 and not feature.HasField("shape") and not feature.HasField("value_count"):
            feature.value_count.min = feature.value_count.max = counts.pop()


def read_raw_features(schema: schema_pb2.Schema) -> dict[str, RawFeature]:
    """Returns the features that a schema describes."""
    return make_raw_features(schema_utils.schema_as_feature_spec(schema).feature_spec, schema)


def trace(preprocessing_fn: Callable[[Any], Any], specs: _Specs) -> dict[str, Any] | None:
    """Returns kind, type and shape of each output; None where the function does not take such inputs."""
    try:
        _, _, outputs = impl_helper.trace_preprocessing_function(preprocessing_fn, dict(specs), use_tf_compat_v1=False)
    except Exception:  # noqa: BLE001 - the user's own code; Transform shows what is an error for the data as they are
        return None
    return {name: (type(value).__name__, value.dtype, str(value.shape)) for name, value in outputs.items()}
