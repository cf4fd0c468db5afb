"""The pipeline as a graph of TFX components; pure: no I/O, no clock, no environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.components.trainer.component import Trainer
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2, tuner_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel

from hilir.components.evaluator.baseline import LatestPushedModelStrategy
from hilir.components.evaluator.component import Evaluator
from hilir.components.evaluator.eval_config import make_eval_config
from hilir.components.exporter.component import TFJSExporter, TFLiteExporter, make_parameter
from hilir.components.exporter.parity import choose_metric
from hilir.components.preflight.component import Preflight
from hilir.components.preflight.settings import make_parameter as make_preflight_parameter
from hilir.components.pusher.component import Pusher
from hilir.components.statistics.component import StatisticsGen
from hilir.components.trainer.run import make_custom_config, run_fn
from hilir.components.transform.executor import Transform
from hilir.pipeline.config.nodes import check_name
from hilir.pipeline.config.schema import Config
from hilir.pipeline.data_nodes import (
    make_checks,
    make_examples,
    make_last_push,
    make_schema,
    make_transform,
    versions_folder,
)
from hilir.pipeline.inputs import GraphInputs

CHECK_ROWS = 2000
"""Rows of the data that `hilir run --check` reads."""


@dataclass(frozen=True)
class Platform:
    """What the graph depends on of the platform that runs it.

    Attributes:
        metadata: where runs are recorded; None where the platform does it itself.
        own_resolvers: whether it runs resolver strategies of our own, or TFX's only.
        beam_options: what Beam gets.
        tuner_job: `custom_config` of the job that tries several values at a time; None where trials run one by one.
    """

    metadata: metadata_store_pb2.ConnectionConfig | None
    own_resolvers: bool
    beam_options: Sequence[str] = ()
    tuner_job: Mapping[str, Any] | None = None


def build(config: Config, inputs: GraphInputs, platform: Platform, *, cache: bool = True) -> Pipeline:
    """Returns the pipeline of the effective configuration.

    `inputs` are resolved paths and fingerprints; with `cache`, unchanged steps are skipped.
    """
    example_gen = make_examples(config, inputs)
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    last_push = [make_last_push(example_gen)] if platform.own_resolvers else []
    schema_gen = make_schema(config, inputs, statistics_gen, *last_push)
    validator, gate = make_checks(config, example_gen, statistics_gen, schema_gen, *last_push)
    transform = make_transform(config, inputs, example_gen, schema_gen)
    transform.add_upstream_node(gate)
    preflight = _preflight(config, inputs, example_gen, transform)
    tuner = _tuner(config, inputs, transform, schema_gen, platform.tuner_job)
    warm = config.train.warm_start != "never"
    # A warm start needs the model before there is a candidate, and a platform may have TFX's own resolvers only.
    own = platform.own_resolvers
    resolver = _baseline(own_resolvers=own) if warm or not own else None
    trainer = _trainer(config, inputs, transform, schema_gen, resolver if warm else None, tuner)
    for node in (*tuner, trainer):
        node.add_upstream_node(preflight)
    resolver = resolver or _baseline(own_resolvers=own, candidate=trainer.outputs["model"])
    evaluator = Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=resolver.outputs["model"],
        schema=schema_gen.outputs["schema"],
        eval_config=make_eval_config(config.evaluate, inputs.label, inputs.weight),
        baseline=config.evaluate.baseline,
        split=config.data.roles.evaluate,
        code=inputs.metric_code,
    )
    exporters = _exporters(config, example_gen, trainer, evaluator)
    pusher = _pusher(config, inputs, example_gen, schema_gen, trainer, evaluator, exporters)
    return Pipeline(
        pipeline_name=config.model.name,
        pipeline_root=f"{config.pipeline.root}/{config.model.name}",
        components=[
            example_gen, statistics_gen, schema_gen, *last_push, validator, gate, transform, preflight, *tuner, trainer,
            resolver, evaluator, *exporters.values(), pusher, *_vertex_pusher(config, pusher),
        ],
        enable_cache=cache and config.pipeline.cache is not False,
        metadata_connection_config=platform.metadata,
        beam_pipeline_args=list(platform.beam_options),
    )  # fmt: skip


def build_check(config: Config, inputs: GraphInputs, platform: Platform, *, cache: bool = True) -> Pipeline:
    """Returns the pipeline that checks a configuration on a sample of its data; arguments as for `build`.

    It has a name, and so a cache and a history, of its own.
    """
    example_gen = make_examples(config, inputs, CHECK_ROWS)
    statistics_gen = StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = make_schema(config, inputs, statistics_gen)
    transform = make_transform(config, inputs, example_gen, schema_gen)
    preflight = _preflight(config, inputs, example_gen, transform)
    name = check_name(config)
    return Pipeline(
        pipeline_name=name,
        pipeline_root=f"{config.pipeline.root}/{name}",
        components=[example_gen, statistics_gen, schema_gen, transform, preflight],
        enable_cache=cache and config.pipeline.cache is not False,
        metadata_connection_config=platform.metadata,
        beam_pipeline_args=list(platform.beam_options),
    )


def _preflight(config: Config, inputs: GraphInputs, example_gen: BaseNode, transform: Transform) -> BaseNode:
    return Preflight(
        examples=example_gen.outputs["examples"],
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        settings=make_preflight_parameter(
            config.model.name,
            config.model.package,
            config.train,
            config.evaluate,
            config.export,
            {"model": inputs.model_code, "metrics": inputs.metric_code},
            roles=config.data.roles,
            pushed=versions_folder(config),
            curated=config.schema_.path is not None,
        ),
    )


def _baseline(*, own_resolvers: bool, **candidate: BaseChannel) -> Resolver:
    """Returns the node that finds the model to compare with, and to start from.

    Here it is the one pushed last, other than the `candidate` if one is given; Vertex AI has no resolver but TFX's own,
    which takes the latest blessed one.
    """
    if not own_resolvers:
        return Resolver(
            strategy_class=LatestBlessedModelStrategy,
            model=types.Channel(type=standard_artifacts.Model),
            model_blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        ).with_id("LatestBlessed")
    return Resolver(
        strategy_class=LatestPushedModelStrategy,
        model=types.Channel(type=standard_artifacts.Model),
        pushed_model=types.Channel(type=standard_artifacts.PushedModel),
        **candidate,
    ).with_id("LatestBlessed")


def _tuner(
    config: Config, inputs: GraphInputs, transform: Transform, schema_gen: BaseNode, job: Mapping[str, Any] | None
) -> list[BaseNode]:
    """Returns the search for hyperparameters, if there is to be one; `job` has the machines for parallel trials."""
    if not config.train.tune.enabled:
        return []
    # KerasTuner is imported only where it is used.
    from tfx.components.tuner.component import Tuner

    kind, tune_args, custom_config = Tuner, None, _train_config(config, inputs)
    if job is not None:
        from tfx.extensions.google_cloud_ai_platform.tuner.component import Tuner as TunerJob

        kind, tune_args = TunerJob, tuner_pb2.TuneArgs(num_parallel_trials=config.train.tune.parallel_trials)
        custom_config |= job
    return [
        kind(
            tuner_fn="hilir.components.tuner.search.tuner_fn",
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            schema=schema_gen.outputs["schema"],
            train_args=trainer_pb2.TrainArgs(splits=[config.data.roles.train]),
            eval_args=trainer_pb2.EvalArgs(splits=[config.data.roles.validate_]),
            tune_args=tune_args,
            custom_config=custom_config,
        )
    ]


def _train_config(config: Config, inputs: GraphInputs) -> dict[str, Any]:
    """Returns what the Trainer and the Tuner get."""
    return make_custom_config(
        config.model.package,
        config.train,
        inputs.model_code,
        pushed=versions_folder(config),
        curated=config.schema_.path is not None,
    )


def _trainer(
    config: Config,
    inputs: GraphInputs,
    transform: Transform,
    schema_gen: BaseNode,
    warm_start_from: BaseNode | None,
    tuner: Sequence[BaseNode],
) -> Trainer:
    return Trainer(
        run_fn=f"{run_fn.__module__}.{run_fn.__name__}",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        base_model=warm_start_from.outputs["model"] if warm_start_from else None,
        hyperparameters=tuner[0].outputs["best_hyperparameters"] if tuner else None,
        train_args=trainer_pb2.TrainArgs(splits=[config.data.roles.train]),
        eval_args=trainer_pb2.EvalArgs(splits=[config.data.roles.validate_]),
        custom_config=_train_config(config, inputs),
    )


def _exporters(config: Config, example_gen: BaseNode, trainer: BaseNode, evaluator: BaseNode) -> dict[str, BaseNode]:
    """Returns the exporters that have variants to make, by the name of their output."""
    kinds: dict[str, Any] = {"tflite": TFLiteExporter, "tfjs": TFJSExporter}
    return {
        name: exporter(
            model=trainer.outputs["model"],
            blessing=evaluator.outputs["blessing"],
            examples=example_gen.outputs["examples"],
            settings=make_parameter(
                config.model.name, config.export, choose_metric(config.export, config.evaluate), config.data.roles
            ),
        )
        for name, exporter in kinds.items()
        if getattr(config.export, name).variants
    }


def _pusher(
    config: Config,
    inputs: GraphInputs,
    example_gen: BaseNode,
    schema_gen: BaseNode,
    trainer: BaseNode,
    evaluator: BaseNode,
    exporters: dict[str, BaseNode],
) -> Pusher:
    return Pusher(
        **{name: exporter.outputs[name] for name, exporter in exporters.items()},
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        evaluation=evaluator.outputs["evaluation"],
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        settings={
            "root": config.serving.root,
            "model": config.model.name,
            "pipeline": config.model.name,
            "thresholds": [threshold.model_dump(exclude_none=True) for threshold in config.evaluate.thresholds],
            "classes": config.export.name_classes(inputs.label if isinstance(inputs.label, str) else ""),
            "code": {"fingerprint": inputs.model_code, "commit": inputs.commit},
            "roles": config.data.roles.names,
            "judged": choose_metric(config.export, config.evaluate).output,
            **config.card.as_setting(),
        },
    )


def _vertex_pusher(config: Config, pusher: Pusher) -> list[BaseNode]:
    """Returns the push to Vertex AI, if there is to be one."""
    if not config.vertex.push.enabled:
        return []
    from hilir.components.vertex_pusher.component import VertexPusher
    from hilir.pipeline.config.target import make_target

    return [VertexPusher(version=pusher.outputs["pushed_model"], target=make_target(config))]
