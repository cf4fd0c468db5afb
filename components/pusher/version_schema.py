"""The schema that a version carries: what its data was, and the classes of its labels in their order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from hilir.components.trainer.export.class_names import read_classes
from hilir.components.versions import SCHEMA


def write_schema(folder: str, source: str) -> None:
    """Writes `folder`/assets.extra/schema.pbtxt.

    Args:
        folder: the version.
        source: path of the run's schema.
    """
    schema = io_utils.parse_pbtxt_file(source, schema_pb2.Schema())
    set_classes(schema, read_classes(folder))
    extra = os.path.join(folder, "assets.extra")
    fileio.makedirs(extra)
    io_utils.write_pbtxt_file(os.path.join(extra, SCHEMA), schema)


def set_classes(schema: schema_pb2.Schema, classes: Mapping[str, Sequence[str]]) -> None:
    """Gives each label that is a column of strings its classes, class 0 first, as its domain.

    So a class that the data of today lacks stays known, and a schema that is frozen keeps the order.
    """
    shared = {domain.name: domain for domain in schema.string_domain}
    users = [feature.domain for feature in schema.feature if feature.HasField("domain")]
    for feature in schema.feature:
        if feature.name not in classes or feature.type != schema_pb2.BYTES:
            continue
        if feature.HasField("domain") and users.count(feature.domain) == 1:
            domain = shared[feature.domain]
        else:
            domain = feature.string_domain
        del domain.value[:]
        domain.value.extend(classes[feature.name])
