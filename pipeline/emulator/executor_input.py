"""ExecutorInput as Vertex AI hands it to a container, and ExecutorOutput as the container leaves it.

The layout of a task's folder is `<root>/<project number>/<job>/<task>_<id>/` with `executor_output.json` and one path
per output below it (tfx/orchestration/kubeflow/v2/container/kubeflow_v2_run_executor.py relies on it).
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from hilir.pipeline.emulator.artifact_store import Artifact, Outputs
from hilir.pipeline.emulator.errors import StepError
from hilir.pipeline.spec.parameters import parse_value
from hilir.pipeline.spec.structure import title_of

Json = dict[str, Any]

_OUTPUT_FILE = "executor_output.json"


@dataclass(frozen=True)
class Inputs:
    """The values a task gets: parameters, and artifacts of those inputs that have one."""

    parameters: Mapping[str, Any]
    artifacts: Mapping[str, Artifact]


def make_outputs(component: Any, folder: str, store_name: str) -> dict[str, Artifact]:
    """Returns the artifacts that the task is to write, with their paths and new names.

    Args:
        component: the ComponentSpec.
        folder: the task's folder.
        store_name: resource name of the metadata store.
    """
    made = {}
    for key, definition in component.output_definitions.artifacts.items():
        # A name has to be unique and stable: TFX makes its integer ids of it.
        name = f"{store_name}/artifacts/{random.SystemRandom().randrange(10**18, 10**19)}"
        schema = json_format.MessageToDict(definition.artifact_type)
        metadata = json_format.MessageToDict(definition.metadata)
        made[key] = Artifact(name, title_of(definition.artifact_type), schema, f"{folder}/{key}", metadata)
    return made


def clear_outputs(component: Any, folder: Path) -> None:
    """Removes what a failed attempt left where the outputs go; other files of the task stay.

    Args:
        component: the ComponentSpec.
        folder: the task's folder.
    """
    outputs = component.output_definitions
    for name in (_OUTPUT_FILE, *outputs.artifacts, *outputs.parameters):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def make_executor_input(component: Any, inputs: Inputs, outputs: Mapping[str, Artifact], folder: str) -> Json:
    """Returns ExecutorInput as JSON values (schema 2.1: `parameterValues`)."""
    return {
        "inputs": {
            "parameterValues": dict(inputs.parameters),
            "artifacts": {key: {"artifacts": [artifact.as_json()]} for key, artifact in inputs.artifacts.items()},
        },
        "outputs": {
            "artifacts": {key: {"artifacts": [artifact.as_json()]} for key, artifact in outputs.items()},
            "parameters": {
                key: {"outputFile": f"{folder}/{key}"} for key in component.output_definitions.parameters
            },
            "outputFile": f"{folder}/{_OUTPUT_FILE}",
        },
    }  # fmt: skip


def read_executor_output(path: Path) -> Json | None:
    """Returns ExecutorOutput as JSON values, or None where the container wrote none.

    Raises:
        StepError: the file is not ExecutorOutput.
    """
    if not path.exists():
        return None
    try:
        message = json_format.Parse(path.read_bytes(), pipeline_spec_pb2.ExecutorOutput(), ignore_unknown_fields=True)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise StepError(f"{path} is not an ExecutorOutput: {str(error).splitlines()[0]}") from None
    output: Json = json_format.MessageToDict(message)
    return output


def merge_artifacts(outputs: Mapping[str, Artifact], written: Json | None) -> dict[str, Artifact]:
    """Returns the output artifacts with the uri and metadata that the container gave them."""
    merged = dict(outputs)
    for key, artifacts in ((written or {}).get("artifacts") or {}).items():
        found = artifacts.get("artifacts") or []
        if key not in merged or not found:
            continue
        if len(found) > 1:
            raise StepError(f"wrote {len(found)} artifacts to the output '{key}', which takes one")
        metadata = {**merged[key].metadata, **found[0].get("metadata", {})}
        merged[key] = replace(merged[key], uri=found[0].get("uri") or merged[key].uri, metadata=metadata)
    return merged


def collect_outputs(component: Any, executor_input: Json, outputs: Mapping[str, Artifact]) -> Outputs:
    """Returns what a container that ended well has made.

    Raises:
        StepError: an output was not written.
    """
    path = Path(executor_input["outputs"]["outputFile"])
    written = read_executor_output(path)
    artifacts = merge_artifacts(outputs, written)
    if written is None:
        missing = [
            f"'{key}' ({artifact.uri})" for key, artifact in artifacts.items() if not Path(artifact.uri).exists()
        ]
        if missing:
            raise StepError(f"succeeded but wrote neither its output {', '.join(missing)} nor {path.name}")
    values = {**_legacy(written), **((written or {}).get("parameterValues") or {})}
    parameters = {}
    for key, definition in component.output_definitions.parameters.items():
        parameters[key] = _output_parameter(key, definition, values, executor_input)
    return Outputs(artifacts, parameters)


def _legacy(written: Json | None) -> Json:
    return {key: next(iter(value.values())) for key, value in ((written or {}).get("parameters") or {}).items()}


def _output_parameter(key: str, definition: Any, values: Json, executor_input: Json) -> Any:
    if key in values:
        return values[key]
    file = Path(executor_input["outputs"]["parameters"][key]["outputFile"])
    if not file.is_file():
        raise StepError(f"succeeded but did not write its output parameter '{key}' ({file})")
    return convert(file.read_text(encoding="utf-8"), definition.parameter_type, f"the output parameter '{key}'")


def convert(text: str, parameter_type: int, place: str) -> Any:
    """Returns a parameter's value from its text.

    Raises:
        StepError: the text is not of that type.
    """
    try:
        return parse_value(text, parameter_type)
    except ValueError as error:
        raise StepError(f"{place} {error}") from None
