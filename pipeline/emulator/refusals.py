"""Finds what an emulation could only approximate; such a specification is refused by the name of the feature."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from hilir.pipeline.emulator import worker_pools
from hilir.pipeline.emulator.language import cel, placeholders, query
from hilir.pipeline.spec.executors import LAUNCHER
from hilir.pipeline.spec.specification import Specification

_POLICIES = ("PIPELINE_FAILURE_POLICY_FAIL_SLOW", "PIPELINE_FAILURE_POLICY_FAIL_FAST")
_CLOUD_EXECUTORS = "tfx.extensions."
_PARALLEL_TUNER = "tfx.extensions.google_cloud_ai_platform.tuner.executor.Executor"
_Type = pipeline_spec_pb2.ParameterType
_PARAMETER_TYPES = (
    _Type.NUMBER_DOUBLE, _Type.NUMBER_INTEGER, _Type.STRING, _Type.BOOLEAN, _Type.LIST, _Type.STRUCT,
    _Type.TASK_FINAL_STATUS,
)  # fmt: skip
_Strategy = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.TriggerStrategy


def find_refusals(parsed: Specification) -> list[str]:
    """Returns one sentence per feature that is not emulated; the specification's structure has been checked."""
    faults = [fault for place, component in _components(parsed) for fault in _component(place, component)]
    faults += [fault for label, executor in parsed.deployment.executors.items() for fault in _executor(label, executor)]
    if parsed.failure_policy not in _POLICIES:
        faults.append(f"failurePolicy '{parsed.failure_policy}' is not emulated; there are {' and '.join(_POLICIES)}")
    return faults


def _components(parsed: Specification) -> Iterator[tuple[str, Any]]:
    yield "root", parsed.spec.root
    yield from parsed.spec.components.items()


def _component(place: str, component: Any) -> Iterator[str]:
    if component.single_platform_specs:
        yield f"{place}: singlePlatformSpecs are not emulated"
    if component.task_config_passthroughs:
        yield f"{place}: taskConfigPassthroughs are not emulated"
    inputs = component.input_definitions
    for key, artifact in inputs.artifacts.items():
        if artifact.is_artifact_list:
            yield f"{place}, input {key}: lists of artifacts (isArtifactList) are not emulated"
    for key, parameter in [*inputs.parameters.items(), *component.output_definitions.parameters.items()]:
        if parameter.parameter_type not in _PARAMETER_TYPES:
            yield f"{place}, parameter {key}: its parameterType is not emulated; give one of schema 2.1"
    for key, output in component.dag.outputs.parameters.items():
        if output.WhichOneof("kind") != "value_from_parameter":
            yield f"{place}, output {key}: valueFromOneof is not emulated"
    for name, task in component.dag.tasks.items():
        yield from _task(f"{place}: task {name}", task)


def _task(place: str, task: Any) -> Iterator[str]:
    if task.WhichOneof("iterator") is not None:
        yield f"{place}: loops ({task.WhichOneof('iterator')}) are not emulated"
    if task.caching_options.cache_key:
        yield f"{place}: a cacheKey of its own is not emulated"
    if task.trigger_policy.strategy not in _Strategy.values():
        yield f"{place}: the trigger strategy {task.trigger_policy.strategy} is not emulated"
    for key, source in task.inputs.parameters.items():
        if source.parameter_expression_selector:
            yield f"{place}, parameter {key}: parameterExpressionSelector is not emulated"
        value = source.runtime_value
        if value.WhichOneof("value") == "constant_value":
            yield f"{place}, parameter {key}: constantValue is of schema 2.0; compile with 2.1"
        for unknown in placeholders.find_unknown(value.constant.string_value):
            yield f"{place}, parameter {key}: the placeholder {unknown} is not emulated"
    if task.trigger_policy.condition:
        try:
            cel.compile_condition(task.trigger_policy.condition)
        except cel.ConditionError as error:
            yield f"{place}: not emulated is {error}"


def _executor(label: str, executor: Any) -> Iterator[str]:
    place, kind = f"executor {label}", executor.WhichOneof("spec")
    if kind == "container":
        yield from _container(place, executor.container)
    elif kind == "custom_job":
        yield from worker_pools.find_refusals(place, json_format.MessageToDict(executor.custom_job.custom_job))
    elif kind == "importer":
        if executor.importer.download_to_workspace:
            yield f"{place}: downloadToWorkspace is not emulated"
        if executor.importer.artifact_uri.WhichOneof("value") not in ("constant", "runtime_parameter"):
            yield f"{place}: an importer without artifactUri.constant or runtimeParameter is not emulated"
    else:
        for key, artifact_query in executor.resolver.output_artifact_queries.items():
            try:
                query.parse_filter(artifact_query.filter)
            except query.FilterError as error:
                yield f"{place}, output {key}: not emulated is {error}"
            if artifact_query.limit > 1:
                yield f"{place}, output {key}: a limit of {artifact_query.limit} artifacts is not emulated"


def _container(place: str, container: Any) -> Iterator[str]:
    if not container.command:
        yield f"{place}: has no command, and the entry point of an image is not known without the image; give a command"
    hook = container.lifecycle.pre_cache_check
    for argument in [*container.command, *container.args, *hook.command, *hook.args]:
        for unknown in placeholders.find_unknown(argument):
            yield f"{place}: the placeholder {unknown} is not emulated"
        if argument == "--runner=DataflowRunner":
            yield f"{place}: Dataflow is not emulated; compile with vertex.dataflow.steps=[]"
        if argument == _PARALLEL_TUNER:
            yield (
                f"{place}: trials at a time are a job that the step itself starts on Vertex AI, which is not emulated; "
                f"compile with train.tune.parallel_trials=1"
            )
        elif argument.startswith(_CLOUD_EXECUTORS):
            yield f"{place}: {argument} calls a service of the cloud, which is not emulated"
    if LAUNCHER in container.command:
        yield from _launcher(place, list(container.args))


def _launcher(place: str, args: list[str]) -> Iterator[str]:
    try:
        payload = json.loads(args[args.index("--payload") + 1])
        if not isinstance(payload, dict):
            raise TypeError(args)
    except (ValueError, IndexError, TypeError, RecursionError):
        yield f"{place}: the custom job's launcher has no readable --payload; compile again"
        return
    yield from worker_pools.find_refusals(place, payload)
