"""Finds which columns may have empty cells: those that preprocessing_fn also takes as sparse tensors."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from hilir.components.schema.traced import Traced


def find_optional(traced: Traced) -> set[str]:
    """Returns the columns with a value in each row that may as well have rows without one.

    Where the outputs of preprocessing_fn are of the same kinds with such columns as sparse tensors, the column can lose
    cells later, and neither the function nor the model sees another type.
    """
    complete = [name for name, each in traced.raw.items() if each.is_fixed and each.spec.shape in ([], [1], (), (1,))]
    if traced.outputs is None or not complete:
        return set()

    def search(names: Sequence[str], found: set[str]) -> set[str]:
        """Returns `found` and what can be added to it; by halves, as mostly all can, or all but few."""
        if not names or traced.with_sparse({*names, *found}) == traced.outputs:
            return {*names, *found}
        if len(names) == 1:
            return found
        middle = len(names) // 2
        return search(names[middle:], search(names[:middle], found))

    found = search([name for name in complete if name in traced.read], set())
    return search([name for name in complete if name not in traced.read], found)


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
    So do lists, whose column needs no list in each row, and lists of several lengths, which may be empty as well.

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
        if feature.HasField("value_count") and feature.value_count.min != feature.value_count.max:
            feature.value_count.min = 0
        counts = found.get(feature.name, set())
        if len(counts) == 1 and not feature.HasField("shape") and not feature.HasField("value_count"):
            feature.value_count.min = feature.value_count.max = counts.pop()
