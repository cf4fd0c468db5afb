"""What a column was for the version that was pushed last, dense, sparse or a list, it is for the next one too.

TFDV looks at the data alone: a first empty cell makes a column sparse, and a month without any makes it dense; lists
that all have one value are no lists. preprocessing_fn and the model would get other tensors each time.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.missing import has_one_value, list_filled
from hilir.components.schema.missing_cells import allow_none


def keep_kinds(
    schema: schema_pb2.Schema,
    last: schema_pb2.Schema,
    takes: Callable[[schema_pb2.Schema], bool],
    fillable: Callable[[schema_pb2.Schema], Container[str]],
) -> frozenset[str]:
    """Gives columns the kinds that they had, as far as the code of today takes them.

    Args:
        schema: as TFDV infers it, changed in place.
        last: of the version before.
        takes: whether preprocessing_fn takes the columns of a schema.
        fillable: returns the columns of a schema whose empty cells may get a value.

    Returns:
        The columns whose empty cells have to get a value.
    """
    now = {feature.name: feature for feature in schema.feature}
    filled = list_filled(last)
    made_dense: dict[str, schema_pb2.Feature] = {}
    made_sparse: dict[str, schema_pb2.Feature] = {}
    for then in last.feature:
        feature = now.get(then.name)
        if feature is None or feature.type != then.type:
            continue
        if then.HasField("shape") or then.name in filled:
            if has_one_value(then) and has_one_value(feature) and not feature.HasField("shape"):
                made_dense[then.name] = _as_dense(feature)
        elif feature.HasField("shape") or (has_one_value(feature) and not has_one_value(then)):
            made_sparse[then.name] = _as_sparse(feature, then)
    if made_dense:
        can_be = fillable(_replace(schema, made_dense))
        made_dense = {name: feature for name, feature in made_dense.items() if name in can_be}
    for chosen in (made_dense | made_sparse, made_dense, made_sparse):
        changed = _replace(schema, chosen)
        if chosen and takes(changed):
            schema.CopyFrom(changed)
            return frozenset(chosen) & frozenset(made_dense)
    return frozenset()


def make_dense(
    schema: schema_pb2.Schema,
    takes: Callable[[schema_pb2.Schema], bool],
    fillable: Callable[[schema_pb2.Schema], Container[str]],
) -> frozenset[str]:
    """Makes the columns dense that can be, for code that does not take them as they are; arguments as above.

    Returns:
        The columns whose empty cells have to get a value; none where the code does not take dense ones either.
    """
    sparse = [each for each in schema.feature if has_one_value(each) and not each.HasField("shape")]
    changed = {each.name: _as_dense(each) for each in sparse}
    can_be = fillable(_replace(schema, changed)) if changed else ()
    changed = {name: feature for name, feature in changed.items() if name in can_be}
    candidate = _replace(schema, changed)
    if not changed or not takes(candidate):
        return frozenset()
    schema.CopyFrom(candidate)
    return frozenset(changed)


def fill(schema: schema_pb2.Schema, defaults: Mapping[str, Any]) -> None:
    """Writes into the schema what stands in the place of empty cells, by column; the columns have a shape."""
    kinds = {schema_pb2.INT: "int_value", schema_pb2.FLOAT: "float_value", schema_pb2.BYTES: "bytes_value"}
    for feature in schema.feature:
        if feature.name in defaults:
            default = defaults[feature.name]
            value = default.encode() if isinstance(default, str) else default
            group = schema.tensor_representation_group[""]
            dense = group.tensor_representation[feature.name].dense_tensor
            dense.column_name = feature.name
            dense.shape.CopyFrom(feature.shape)
            setattr(dense.default_value, kinds[feature.type], value)
            allow_none(feature)
            feature.value_count.min = feature.value_count.max = 1


def _replace(schema: schema_pb2.Schema, features: Mapping[str, schema_pb2.Feature]) -> schema_pb2.Schema:
    found = schema_pb2.Schema()
    found.CopyFrom(schema)
    for feature in found.feature:
        feature.CopyFrom(features.get(feature.name, feature))
    return found


def _as_dense(feature: schema_pb2.Feature) -> schema_pb2.Feature:
    found = schema_pb2.Feature()
    found.CopyFrom(feature)
    found.ClearField("value_count")
    found.shape.dim.add(size=1)
    found.presence.min_fraction = 1.0
    return found


def _as_sparse(feature: schema_pb2.Feature, then: schema_pb2.Feature) -> schema_pb2.Feature:
    """Returns the feature with as many values as it had."""
    found = schema_pb2.Feature()
    found.CopyFrom(feature)
    found.ClearField("value_count")
    if then.HasField("value_count"):
        found.value_count.CopyFrom(then.value_count)
    allow_none(found)
    return found
