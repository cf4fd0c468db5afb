"""The TFX components that give the schema."""

from __future__ import annotations

import json

from tfx import types
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts, standard_component_specs

from hilir.components.schema.executor import Executor


class InferredSchemaSpec(standard_component_specs.SchemaGenSpec):
    """What TFX's SchemaGen needs, and the package whose preprocessing_fn is asked."""

    PARAMETERS = standard_component_specs.SchemaGenSpec.PARAMETERS | {
        "code": component_spec.ExecutionParameter(type=str)
    }
    INPUTS = standard_component_specs.SchemaGenSpec.INPUTS | {
        "last_push": component_spec.ChannelParameter(type=standard_artifacts.PushedModel, optional=True)
    }


class InferredSchema(base_component.BaseComponent):
    """Infers the schema from the statistics."""

    SPEC_CLASS = InferredSchemaSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        code: dict[str, str],
        trained_on: str,
        last_push: types.BaseChannel | None = None,
        pushed: str = "",
    ) -> None:
        """Makes the node.

        Args:
            statistics: of the examples.
            code: the Transform's `custom_config`, which names the package and has the fingerprint of its code.
            trained_on: the split whose values are typical.
            last_push: the version pushed last; columns are dense, sparse or lists as they were for it.
            pushed: the folder of the model's versions, where nothing else says which one it was.
        """
        super().__init__(
            spec=InferredSchemaSpec(
                statistics=statistics,
                last_push=last_push,
                infer_feature_shape=1,
                exclude_splits="[]",
                code=json.dumps({"code": code, "trained_on": trained_on, "pushed": pushed}, sort_keys=True),
                schema=types.Channel(type=standard_artifacts.Schema),
            )
        )


class ImportedSchemaSpec(standard_component_specs.ImportSchemaGenSpec):
    """What TFX's ImportSchemaGen needs, and what the file holds."""

    PARAMETERS = standard_component_specs.ImportSchemaGenSpec.PARAMETERS | {
        "content": component_spec.ExecutionParameter(type=str)
    }


class ImportedSchema(base_component.BaseComponent):
    """Takes a curated file as the schema."""

    SPEC_CLASS = ImportedSchemaSpec
    EXECUTOR_SPEC = ImportSchemaGen.EXECUTOR_SPEC

    def __init__(self, schema_file: str, content: str) -> None:
        """`content`: fingerprint of the file, so that an edited file is read again."""
        super().__init__(
            spec=ImportedSchemaSpec(
                schema_file=schema_file, content=content, schema=types.Channel(type=standard_artifacts.Schema)
            )
        )
