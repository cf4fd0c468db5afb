"""What the columns of a schema are for: SchemaGen writes it as tags of their features, the gate reads it.

An anomaly of a column that nobody reads changes no model, and an empty cell of some others has its meaning.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from hilir.components.missing import list_filled

UNREAD = "hilir.unread"
"""The tag of a column on which nothing depends that preprocessing_fn returns."""
LABEL = "hilir.label"
"""The tag of a column whose empty cells are rows without a label; others become a label like any other value."""


@dataclass(frozen=True)
class Uses:
    """The columns that are not like others.

    Attributes:
        unread: nobody reads them.
        unlabelled: an empty cell is a row without a label, which is left out.
        filled: what is in the place of an empty cell, by column.
    """

    unread: frozenset[str] = frozenset()
    unlabelled: frozenset[str] = frozenset()
    filled: Mapping[str, Any] = field(default_factory=dict)


def find_uses(
    last: schema_pb2.Schema | None, own: schema_pb2.Schema, sliced_by: Collection[str], *, drops_unlabelled: bool
) -> Uses:
    """Returns the uses of the columns of the schemas.

    Args:
        last: of the version that the data is checked against, None where there is none.
        own: of this data, by the code of this run.
        sliced_by: the raw columns of the evaluation's slices.
        drops_unlabelled: whether rows without a label are left out.
    """
    schemas = [schema for schema in (last, own) if schema is not None]
    known = {feature.name for schema in schemas for feature in schema.feature}
    # What the version reads is missed by it, also where the code of today does without.
    read = {each.name for schema in schemas for each in schema.feature if UNREAD not in each.annotation.tag}
    labelled = schemas[0].feature if drops_unlabelled else ()
    unlabelled = frozenset(each.name for each in labelled if LABEL in each.annotation.tag)
    return Uses(frozenset(known - read - set(sliced_by)), unlabelled, list_filled(own))


def write_uses(uses: Uses) -> str:
    """Returns the uses as JSON."""
    return json.dumps(asdict(uses) | {name: sorted(getattr(uses, name)) for name in ("unread", "unlabelled")})


def read_uses(text: str) -> Uses:
    """Returns what `write_uses` wrote."""
    found = json.loads(text)
    return Uses(frozenset(found["unread"]), frozenset(found["unlabelled"]), found["filled"])
