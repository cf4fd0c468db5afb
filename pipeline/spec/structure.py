"""Checks that the parts of a specification fit together: what is referred to exists, and nothing is in a circle."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from kfp.pipeline_spec import pipeline_spec_pb2

from hilir.pipeline.spec.specification import Specification

# tfx/orchestration/kubeflow/v2/compiler_utils.py, _SCHEMA_TITLE_RE
_ParameterType = pipeline_spec_pb2.ParameterType.ParameterTypeEnum
_TITLE = re.compile(r"[a-z][a-z0-9-_]{2,20}[.][A-Z][a-zA-Z0-9-_]{2,49}")


def check_structure(parsed: Specification) -> list[str]:
    """Returns every fault: dangling producers, components and executors, unknown types, impossible retries, circles."""
    faults = list(_definitions(parsed))
    faults += _dag(parsed, parsed.spec.root, "root")
    for name, component in parsed.spec.components.items():
        if component.HasField("dag"):
            faults += _dag(parsed, component, name)
    return faults or list(_nesting(parsed))


def upstream_tasks(task: Any) -> set[str]:
    """Returns the tasks that this one waits for: those it names, and those whose outputs it takes."""
    names = set(task.dependent_tasks)
    for source in task.inputs.artifacts.values():
        if source.HasField("task_output_artifact"):
            names.add(source.task_output_artifact.producer_task)
    for source in task.inputs.parameters.values():
        kind = source.WhichOneof("kind")
        if kind in ("task_output_parameter", "task_final_status"):
            names.add(getattr(source, kind).producer_task)
    return names


def title_of(schema: Any) -> str:
    """Returns the name of an artifact type, for example `tfx.Model`; empty where the schema has none."""
    if schema.WhichOneof("kind") != "instance_schema":
        return str(schema.schema_title)
    try:
        content = yaml.safe_load(schema.instance_schema)
    except yaml.YAMLError:
        return ""
    return str(content.get("title", "tfx.Artifact")) if isinstance(content, dict) else ""


def _definitions(parsed: Specification) -> Iterator[str]:
    executors = parsed.deployment.executors
    for name, component in parsed.spec.components.items():
        kind = component.WhichOneof("implementation")
        if kind is None:
            yield f"component {name}: has neither a dag nor an executor; compile again"
        elif kind == "executor_label" and component.executor_label not in executors:
            yield f"component {name}: references unknown executor '{component.executor_label}'; compile again"
        for key, definition in [
            *component.input_definitions.artifacts.items(),
            *component.output_definitions.artifacts.items(),
        ]:
            yield from _type(f"component {name}, artifact {key}", definition.artifact_type)
    for name, component in [("root", parsed.spec.root), *parsed.spec.components.items()]:
        for key, parameter in [
            *component.input_definitions.parameters.items(),
            *component.output_definitions.parameters.items(),
        ]:
            if parameter.parameter_type not in _ParameterType.values():
                yield f"component {name}, parameter {key}: has unknown type {parameter.parameter_type}; compile again"
    for label, executor in executors.items():
        if executor.WhichOneof("spec") is None:
            yield f"executor {label}: is empty; it needs a container, an importer, a resolver or a custom job"
    if not parsed.spec.root.dag.tasks:
        yield "root: has no task; there is nothing to run"


def _type(place: str, schema: Any) -> Iterator[str]:
    title = title_of(schema)
    if not _TITLE.fullmatch(title):
        yield f"{place}: the type '{title}' is not of the form package.Name, which Vertex AI needs; compile again"
    elif title.startswith("tfx.") and title.removeprefix("tfx.") not in _tfx_types():
        yield f"{place}: TFX has no artifact type '{title}'; compile with the TFX version that is installed here"


def _tfx_types() -> set[str]:
    """Returns the types that TFX has a schema for, without importing TFX."""
    spec = find_spec("tfx")
    if spec is None or spec.origin is None:
        return set()
    folder = Path(spec.origin).parent / "orchestration/kubeflow/v2/artifact_types"
    return {path.stem for path in folder.glob("*.yaml")}


def _dag(parsed: Specification, component: Any, place: str) -> list[str]:
    tasks = component.dag.tasks
    faults = [
        fault for name, task in tasks.items() for fault in _task(parsed, component, f"{place}: task {name}", task)
    ]
    for key, output in component.dag.outputs.artifacts.items():
        for selector in output.artifact_selectors:
            faults += _produced(
                parsed, tasks, f"{place}: output {key}", selector.producer_subtask, selector.output_artifact_key, ""
            )
    for key, value in component.dag.outputs.parameters.items():
        if value.WhichOneof("kind") == "value_from_parameter":
            selected = value.value_from_parameter
            faults += _produced(
                parsed, tasks, f"{place}: output {key}", selected.producer_subtask, selected.output_parameter_key,
                "parameter ",
            )  # fmt: skip
    if faults:
        return faults
    try:
        TopologicalSorter({name: upstream_tasks(task) for name, task in tasks.items()}).prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        return [f"{place}: the tasks wait for each other in a circle: {circle}; remove one of these dependencies"]
    return []


def _task(parsed: Specification, parent: Any, place: str, task: Any) -> Iterator[str]:
    name = task.component_ref.name
    if name not in parsed.spec.components:
        yield f"{place}: references unknown component '{name}'; compile again"
        return
    tasks, component = parent.dag.tasks, parsed.spec.components[name]
    for dependency in task.dependent_tasks:
        if dependency not in tasks:
            yield f"{place}: waits for unknown task '{dependency}'; compile again"
    yield from _retries(place, task.retry_policy)
    for key, source in task.inputs.artifacts.items():
        if source.WhichOneof("kind") == "component_input_artifact":
            if source.component_input_artifact not in parent.input_definitions.artifacts:
                unknown = source.component_input_artifact
                yield f"{place}, input {key}: references unknown input artifact '{unknown}'; compile again"
        else:
            output = source.task_output_artifact
            yield from _produced(
                parsed, tasks, f"{place}, input {key}", output.producer_task, output.output_artifact_key, ""
            )
    for key, source in task.inputs.parameters.items():
        yield from _parameter(parsed, parent, f"{place}, parameter {key}", source)
    yield from _missing(place, component.input_definitions, task.inputs)


def _retries(place: str, policy: Any) -> Iterator[str]:
    if policy.max_retry_count < 0:
        yield f"{place}: retryPolicy.maxRetryCount is {policy.max_retry_count}; give 0 or more"
    for key, duration in (
        ("backoffDuration", policy.backoff_duration), ("backoffMaxDuration", policy.backoff_max_duration),
    ):  # fmt: skip
        if duration.ToNanoseconds() < 0:
            yield f"{place}: retryPolicy.{key} is {duration.ToJsonString()}; give no less than 0s"
    if not 0 <= policy.backoff_factor < math.inf:
        yield f"{place}: retryPolicy.backoffFactor is {policy.backoff_factor:g}; give a number of 1 or more"


def _parameter(parsed: Specification, parent: Any, place: str, source: Any) -> Iterator[str]:
    tasks, kind = parent.dag.tasks, source.WhichOneof("kind")
    if kind == "task_output_parameter":
        output = source.task_output_parameter
        yield from _produced(parsed, tasks, place, output.producer_task, output.output_parameter_key, "parameter ")
    elif kind == "task_final_status":
        if source.task_final_status.producer_task not in tasks:
            unknown = source.task_final_status.producer_task
            yield f"{place}: asks for the status of unknown task '{unknown}'; compile again"
    elif kind == "component_input_parameter":
        if source.component_input_parameter not in parent.input_definitions.parameters:
            yield f"{place}: references unknown parameter '{source.component_input_parameter}'; give a value"
    elif kind is None:
        yield f"{place}: has no source; give it a value"


def _produced(parsed: Specification, tasks: Any, place: str, producer: str, key: str, kind: str) -> Iterator[str]:
    if producer not in tasks:
        yield f"{place}: references unknown task '{producer}'; compile again"
        return
    component = tasks[producer].component_ref.name
    if component not in parsed.spec.components:
        return
    outputs = parsed.spec.components[component].output_definitions
    if key not in (outputs.parameters if kind else outputs.artifacts):
        yield f"{place}: '{producer}' has no output {kind}'{key}'; compile again"


def _missing(place: str, definitions: Any, inputs: Any) -> Iterator[str]:
    for key, definition in definitions.parameters.items():
        if key not in inputs.parameters and not definition.is_optional and not definition.HasField("default_value"):
            yield f"{place}: the parameter '{key}' has no value; give it one"
    for key, artifact in definitions.artifacts.items():
        if key not in inputs.artifacts and not artifact.is_optional:
            yield f"{place}: the input artifact '{key}' has no source; connect it"


def _nesting(parsed: Specification) -> Iterator[str]:
    """Finds components that contain themselves."""
    inner: Mapping[str, set[str]] = {
        name: {task.component_ref.name for task in component.dag.tasks.values()}
        for name, component in parsed.spec.components.items()
    }
    try:
        TopologicalSorter(inner).prepare()
    except CycleError as error:
        yield f"the components contain each other: {' → '.join(error.args[1])}; remove one of them"
