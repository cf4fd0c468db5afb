"""The TFX executors of the schema, on TFX's own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx import types
from tfx.components.schema_gen import executor as tfx_schema_gen
from tfx.components.statistics_gen.stats_artifact_utils import load_statistics
from tfx.types import artifact_utils
from tfx.utils import io_utils

from hilir.components.data_gate.last_push import find_file
from hilir.components.schema.column_uses import note_uses
from hilir.components.schema.label_only_columns import list_labels, read_label_columns
from hilir.components.schema.last_kinds import fill, keep_kinds, make_dense
from hilir.components.schema.missing_cells import count_values, find_optional, make_optional
from hilir.components.schema.traced import Traced, read_raw_features
from hilir.components.schema.typical import find_typical, note_typical
from hilir.components.trainer.export.raw_features import type_specs
from hilir.components.transform.empty_cells import trace
from hilir.components.transform.preprocessing import add_single, preprocessing_fn
from hilir.components.versions import SCHEMA, find_newest_schema

_KNOWN_SHARE = 0.9


class Executor(tfx_schema_gen.Executor):
    """Infers a schema that tolerates what changes from one month to the next."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `schema.pbtxt`."""
        push = input_dict.get("last_push", [])
        super().Do({"statistics": input_dict["statistics"]}, output_dict, exec_properties)
        path = os.path.join(artifact_utils.get_single_uri(output_dict["schema"]), tfx_schema_gen.DEFAULT_FILE_NAME)
        schema = _read(path)
        code = json.loads(exec_properties["code"])
        artifact = artifact_utils.get_single_instance(input_dict["statistics"])
        names = artifact_utils.decode_split_names(artifact.split_names)
        statistics = {name: load_statistics(artifact, name).proto() for name in names}
        count_values(schema, [each.datasets[0] for each in statistics.values()])
        before = find_file(push[0], SCHEMA) if push else find_newest_schema(code["pushed"])
        relax(schema, code["code"], statistics[code["trained_on"]], _read(before) if before else None)
        io_utils.write_pbtxt_file(path, schema)


def _read(path: str) -> schema_pb2.Schema:
    return io_utils.parse_pbtxt_file(path, schema_pb2.Schema())


def relax(
    schema: schema_pb2.Schema,
    code: dict[str, str],
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    last: schema_pb2.Schema | None = None,
) -> None:
    """Lets data change from month to month as far as the code can do with it, and says what each column is for.

    - columns are dense, sparse or lists as they were for the version before, and dense where the code needs it; an
      empty cell of those has its typical value, in the training as it has when the model serves;
    - later data may have empty cells where preprocessing_fn can do without, and a tenth of the rows new categories.

    Columns of the label stay required: a default for a missing label would be a wrong one.

    Args:
        schema: as TFDV infers it, changed in place.
        code: `custom_config` of the Transform.
        statistics: of the training data.
        last: the schema of the version that was pushed last.
    """

    def bind(described: schema_pb2.Schema) -> Callable[[Any], Any]:
        return partial(preprocessing_fn, custom_config=add_single(code, described))

    def takes(described: schema_pb2.Schema) -> bool:
        specs = type_specs(read_raw_features(described))
        if trace(bind(described), specs) is not None:
            return True
        # Whether it takes a label without a value is another question.
        labelled = {
            name: tf.TensorSpec([None, 1], specs[name].dtype)
            for name in read_label_columns(described, code["package"]) & specs.keys()
            if isinstance(specs[name], tf.SparseTensorSpec)
        }
        return bool(labelled) and trace(bind(described), {**specs, **labelled}) is not None

    def fillable(described: schema_pb2.Schema) -> Collection[str]:
        return typical.keys() - read_label_columns(described, code["package"]) - {code.get("weight")}

    typical = find_typical(schema, statistics)
    dense = keep_kinds(schema, last, takes, fillable) if last is not None else frozenset()
    traced = Traced(schema, bind(schema))
    if traced.outputs is None and (needed := make_dense(schema, takes, fillable)):
        dense |= needed
        traced = Traced(schema, bind(schema))
    optional = find_optional(traced)
    labels = read_label_columns(schema, code["package"])
    note_uses(schema, traced, labels, list_labels(code["package"]))
    make_optional(schema, optional - labels)
    filled = {name: typical[name] for name in sorted(dense - optional)}
    fill(schema, filled)
    complete = {feature.name for feature in schema.feature if feature.HasField("shape")} | filled.keys()
    required = complete - labels - {code.get("weight")}
    note_typical(schema, typical, required)
    for feature in schema.feature:
        if feature.HasField("domain") or feature.HasField("string_domain"):
            feature.distribution_constraints.min_domain_mass = _KNOWN_SHARE
