"""The nodes of the graph that look at the data and make features of it."""

from __future__ import annotations

import json

from tfx import types
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.proto import transform_pb2
from tfx.types import standard_artifacts

from hilir.components.data_gate.component import DataGate
from hilir.components.data_gate.last_push import LastPushStrategy
from hilir.components.data_gate.validator import ExampleValidator
from hilir.components.example_gen.component import Files, make_example_gen
from hilir.components.schema.component import ImportedSchema, InferredSchema
from hilir.components.statistics.component import StatisticsGen
from hilir.components.transform import preprocessing
from hilir.components.transform.executor import Transform
from hilir.pipeline.config.schema import Config
from hilir.pipeline.inputs import GraphInputs


def make_examples(config: Config, inputs: GraphInputs, rows: int | None = None) -> BaseNode:
    """Returns the node that reads the data, or about so many of its rows."""
    source = config.data.query or Files(inputs.data_path, inputs.data_pattern, config.data.spans.bounds())
    return make_example_gen(source, config.data.splits, config.data.read_settings(rows, versions_folder(config)))


def versions_folder(config: Config) -> str:
    """Returns the folder of the model's versions."""
    return f"{config.serving.root}/{config.model.name}"


def make_schema(
    config: Config, inputs: GraphInputs, statistics_gen: StatisticsGen, last_push: BaseNode | None = None
) -> BaseNode:
    """Returns the node that gives the schema; it has the same id either way."""
    if config.schema_.path is None:
        before = {"last_push": last_push.outputs["pushed_model"]} if last_push else {"pushed": versions_folder(config)}
        node: BaseNode = InferredSchema(
            statistics_gen.outputs["statistics"],
            preprocessing.make_custom_config(config.model.package, inputs.transform_code, inputs.weight),
            config.data.roles.train,
            **before,
        )
    else:
        node = ImportedSchema(config.schema_.path, inputs.schema_content)
    return node.with_id("SchemaGen")


def make_last_push(example_gen: BaseNode) -> Resolver:
    """Returns the node that finds what was pushed last, other than from the data of this run."""
    return Resolver(
        strategy_class=LastPushStrategy,
        pushed_model=types.Channel(type=standard_artifacts.PushedModel),
        statistics=types.Channel(type=standard_artifacts.ExampleStatistics),
        examples=example_gen.outputs["examples"],
    ).with_id("LastPush")


def make_checks(
    config: Config,
    example_gen: BaseNode,
    statistics_gen: BaseNode,
    schema_gen: BaseNode,
    last_push: BaseNode | None = None,
) -> tuple[BaseNode, BaseNode]:
    """Returns the nodes that look at the data and that stop the run.

    Without `last_push` data is checked against its own schema or a curated one, and not for drift.
    """
    before = {"last_push": last_push.outputs["pushed_model"]} if last_push else {}
    statistics = {"last_statistics": last_push.outputs["statistics"]} if last_push else {}
    validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema_gen.outputs["schema"],
        schema_path=config.schema_.path,
        roles=config.data.roles,
        sliced_by=[name for each in config.evaluate.slices.values() for name in (*each.features, *each.values)],
        drops_unlabelled=config.train.missing_label == "drop",
        **before,
        **statistics,
    )
    gate = DataGate(
        anomalies=validator.outputs["anomalies"],
        examples=example_gen.outputs["examples"],
        fail_on=config.validation.fail_on,
        accept=json.dumps(config.validation.accept, sort_keys=True),
        drift=config.validation.drift if last_push else "off",
        trained_on=config.data.roles.train,
        **before,
    )
    return validator, gate


def make_transform(config: Config, inputs: GraphInputs, example_gen: BaseNode, schema_gen: BaseNode) -> Transform:
    """Returns the node that makes features."""
    return Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        splits_config=transform_pb2.SplitsConfig(analyze=[config.data.roles.train], transform=list(config.data.splits)),
        preprocessing_fn=f"{preprocessing.__name__}.{preprocessing.preprocessing_fn.__name__}",
        disable_statistics=not config.transform.statistics,
        disable_analyzer_cache=True,
        custom_config=preprocessing.make_custom_config(config.model.package, inputs.transform_code, inputs.weight),
    )
