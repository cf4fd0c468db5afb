"""Finds the values a task gets: constants, parameters of the job, outputs of other tasks, the final status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from hilir.pipeline.emulator.artifact_store import NOTHING, Artifact, Outputs
from hilir.pipeline.emulator.errors import StepError
from hilir.pipeline.emulator.executor_input import Inputs, convert
from hilir.pipeline.emulator.job import Job
from hilir.pipeline.emulator.language import placeholders

State = Literal["done", "cached", "failed", "skipped"]

_Type = pipeline_spec_pb2.ParameterType
_FINAL = {"done": "SUCCEEDED", "cached": "SUCCEEDED", "failed": "FAILED", "skipped": "SKIPPED"}


@dataclass(frozen=True)
class Result:
    """How a task ended and what it made; the error of an inner dag (`nested`) names its steps already."""

    state: State
    outputs: Outputs = NOTHING
    error: str = ""
    nested: bool = False

    @property
    def ok(self) -> bool:
        """Returns whether tasks that depend on it may run."""
        return self.state in ("done", "cached")


@dataclass(frozen=True)
class Scope:
    """What the tasks of a dag see: the dag's own inputs and the results of its tasks so far."""

    inputs: Inputs
    results: Mapping[str, Result]


def find_inputs(task: Any, component: Any, scope: Scope, job: Job) -> Inputs:
    """Returns the task's inputs; an artifact that a resolver did not find, or a task did not make, is left out.

    Raises:
        StepError: a parameter has no value.
    """
    definitions = component.input_definitions.parameters
    parameters: dict[str, Any] = {
        key: json_format.MessageToDict(definition.default_value)
        for key, definition in definitions.items()
        if definition.HasField("default_value")
    }
    for key, source in task.inputs.parameters.items():
        kind = definitions[key].parameter_type if key in definitions else _Type.STRING
        parameters[key] = _parameter(key, source, kind, scope, job)
    partial = {"inputs": {"parameterValues": parameters, "artifacts": {}}, "outputs": {}}
    for key, source in task.inputs.parameters.items():
        value = parameters[key]
        if source.HasField("runtime_value") and isinstance(value, str):
            value = placeholders.fill(value, partial, job.placeholder_values())
            kind = definitions[key].parameter_type if key in definitions else _Type.STRING
            parameters[key] = convert(value, kind, f"the parameter '{key}'")
    artifacts = {key: _artifact(source, scope) for key, source in task.inputs.artifacts.items()}
    return Inputs(parameters, {key: artifact for key, artifact in artifacts.items() if artifact is not None})


def find_outputs(component: Any, results: Mapping[str, Result]) -> Outputs:
    """Returns what a dag passes on of what its tasks made."""
    artifacts, parameters = {}, {}
    for key, output in component.dag.outputs.artifacts.items():
        for selector in output.artifact_selectors:
            made = results[selector.producer_subtask].outputs.artifacts
            if selector.output_artifact_key in made:
                artifacts[key] = made[selector.output_artifact_key]
    for key, output in component.dag.outputs.parameters.items():
        source = output.value_from_parameter
        values = results[source.producer_subtask].outputs.parameters
        if source.output_parameter_key in values:
            parameters[key] = values[source.output_parameter_key]
    return Outputs(artifacts, parameters)


def _parameter(key: str, source: Any, parameter_type: int, scope: Scope, job: Job) -> Any:
    kind = source.WhichOneof("kind")
    if kind == "runtime_value":
        if source.runtime_value.WhichOneof("value") == "constant":
            return json_format.MessageToDict(source.runtime_value.constant)
        return _own(source.runtime_value.runtime_parameter, key, scope)
    if kind == "component_input_parameter":
        return _own(source.component_input_parameter, key, scope)
    if kind == "task_final_status":
        status = final_status(source.task_final_status.producer_task, scope, job)
        return json.dumps(status) if parameter_type == _Type.STRING else status
    producer, name = source.task_output_parameter.producer_task, source.task_output_parameter.output_parameter_key
    values = scope.results[producer].outputs.parameters
    if name not in values:
        raise StepError(f"its parameter '{key}' is the output '{name}' of {producer}, which made none")
    return values[name]


def _own(name: str, key: str, scope: Scope) -> Any:
    if name not in scope.inputs.parameters:
        raise StepError(f"its parameter '{key}' is the parameter '{name}', which has no value")
    return scope.inputs.parameters[name]


def _artifact(source: Any, scope: Scope) -> Artifact | None:
    if source.WhichOneof("kind") == "component_input_artifact":
        return scope.inputs.artifacts.get(source.component_input_artifact)
    output = source.task_output_artifact
    return scope.results[output.producer_task].outputs.artifacts.get(output.output_artifact_key)


def final_status(task: str, scope: Scope, job: Job) -> dict[str, Any]:
    """Returns PipelineTaskFinalStatus of a task as JSON values."""
    result = scope.results[task]
    # 9 is FAILED_PRECONDITION of google.rpc.Code, which Vertex AI gives for a failed task.
    error = {"code": 9, "message": result.error} if result.state == "failed" else {}
    return {
        "state": _FINAL[result.state],
        "error": error,
        "pipelineJobUuid": str(job.uuid),
        "pipelineJobName": job.name,
        "pipelineJobResourceName": job.resource_name,
        "pipelineTaskName": task,
    }
