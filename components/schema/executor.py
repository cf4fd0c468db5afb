"""The TFX executors of the schema, on TFX's own."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx import types
from tfx.components.schema_gen import executor as tfx_schema_gen
from tfx.components.statistics_gen.stats_artifact_utils import load_statistics
from tfx.types import artifact_utils
from tfx.utils import io_utils

from hilir.components.schema.label_columns import read_label_columns
from hilir.components.schema.missing_cells import count_values, find_optional, make_optional
from hilir.components.schema.typical import note_typical
from hilir.components.transform.preprocessing import add_single, preprocessing_fn

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
        super().Do(input_dict, output_dict, exec_properties)
        path = os.path.join(artifact_utils.get_single_uri(output_dict["schema"]), tfx_schema_gen.DEFAULT_FILE_NAME)
        schema = io_utils.parse_pbtxt_file(path, schema_pb2.Schema())
        code = json.loads(exec_properties["code"])
        artifact = artifact_utils.get_single_instance(input_dict["statistics"])
        names = artifact_utils.decode_split_names(artifact.split_names)
        statistics = {name: load_statistics(artifact, name).proto() for name in names}
        count_values(schema, [each.datasets[0] for each in statistics.values()])
        relax(schema, code["code"], statistics[code["trained_on"]])
        io_utils.write_pbtxt_file(path, schema)


def relax(
    schema: schema_pb2.Schema, code: dict[str, str], statistics: statistics_pb2.DatasetFeatureStatisticsList
) -> None:
    """Lets later data have empty cells where preprocessing_fn can do without, and a tenth of the rows new categories.

    Columns of the label stay required: a default for a missing label would be a wrong one.

    Args:
        schema: as TFDV infers it, changed in place.
        code: `custom_config` of the Transform.
        statistics: of the training data.
    """
    optional = find_optional(schema, partial(preprocessing_fn, custom_config=add_single(code, schema)))
    labels = read_label_columns(schema, code["package"])
    make_optional(schema, optional - labels)
    required = {feature.name for feature in schema.feature} - labels - optional - {code.get("weight")}
    note_typical(schema, statistics, required)
    for feature in schema.feature:
        if feature.HasField("domain") or feature.HasField("string_domain"):
            feature.distribution_constraints.min_domain_mass = _KNOWN_SHARE
