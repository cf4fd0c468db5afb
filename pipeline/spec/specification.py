"""A compiled pipeline, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from hilir.pipeline.errors import ConfigError

SCHEMA_VERSION = "2.1.0"

PipelineSpec = pipeline_spec_pb2.PipelineSpec
DeploymentConfig = pipeline_spec_pb2.PipelineDeploymentConfig

_IDENTITY_KEYS = {"encryptionSpec", "network", "serviceAccount"}
_JOB_KEYS = {"displayName", "labels", "name", "pipelineSpec", "runtimeConfig", *_IDENTITY_KEYS}
_RUNTIME_STRINGS = ("gcsOutputDirectory", "failurePolicy")
_RUNTIME_KEYS = {*_RUNTIME_STRINGS, "parameterValues"}


@dataclass(frozen=True)
class Specification:
    """A pipeline job: the graph, what its steps execute, and the values it starts with."""

    spec: Any
    deployment: Any
    display_name: str
    output_directory: str
    parameter_values: Mapping[str, Any]
    failure_policy: str

    @property
    def name(self) -> str:
        """The pipeline's name, which is also the context in which resolvers look."""
        return str(self.spec.pipeline_info.name)

    def as_json(self) -> dict[str, Any]:
        """Returns the PipelineSpec as JSON values with the API's own names, in whatever spelling it was read."""
        return {
            **json_format.MessageToDict(self.spec),
            "deploymentSpec": json_format.MessageToDict(self.deployment),
        }


def read(path: Path) -> dict[str, Any]:
    """Returns the job that the JSON or YAML file contains; a bare pipeline specification is wrapped in one.

    Raises:
        ConfigError: the file is missing or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read ({reason}); give the file that 'hilir compile' wrote") from None
    try:
        job = yaml.safe_load(text) if path.suffix in (".yaml", ".yml") else json.loads(text)
        # YAML has dates, keys that are not strings and values that contain themselves, and Python's reader takes NaN.
        job = json.loads(json.dumps(job, allow_nan=False))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid JSON or YAML: {error}; compile it again") from None
    if not isinstance(job, dict):
        raise ConfigError(f"{path}: contains a {type(job).__name__}, not a pipeline; compile it again")
    return job if "pipelineSpec" in job else {"pipelineSpec": job}


def parse(job: Mapping[str, Any]) -> Specification:
    """Returns the specification; each field must be one that kfp's PipelineSpec knows.

    Raises:
        ConfigError: a field is unknown or has the wrong type, or the schema is not 2.1.0.
    """
    runtime = job.get("runtimeConfig") or {}
    _refuse_unknown("the job", job, _JOB_KEYS)
    _refuse_unknown("runtimeConfig", runtime, _RUNTIME_KEYS)
    _check_labels(job.get("labels") or {})
    for place, value in (
        ("displayName", job.get("displayName")),
        *((key, runtime.get(key)) for key in _RUNTIME_STRINGS),
    ):
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{place}: is {value!r:.80}, not a string; compile it again")
    values = runtime.get("parameterValues") or {}
    if not isinstance(values, Mapping):
        raise ConfigError("runtimeConfig.parameterValues: is not names and values; compile it again")
    version = job["pipelineSpec"].get("schemaVersion") if isinstance(job["pipelineSpec"], dict) else None
    if version != SCHEMA_VERSION:
        raise ConfigError(
            f"schemaVersion is '{version or ''}': only {SCHEMA_VERSION} is read, since TFX's steps do not get their "
            f"driver's findings in 2.0.0; compile again with 'hilir compile'"
        )
    spec = _strict(job["pipelineSpec"], PipelineSpec(), "pipelineSpec")
    try:
        plain = json_format.MessageToDict(spec.deployment_spec)
    except ValueError as error:
        raise ConfigError(f"pipelineSpec.deploymentSpec: {error}; compile it again") from None
    return Specification(
        spec=spec,
        deployment=_strict(plain, DeploymentConfig(), "pipelineSpec.deploymentSpec"),
        display_name=str(job.get("displayName") or spec.pipeline_info.name),
        output_directory=str(runtime.get("gcsOutputDirectory") or spec.default_pipeline_root),
        parameter_values=dict(values),
        failure_policy=str(runtime.get("failurePolicy") or "PIPELINE_FAILURE_POLICY_FAIL_SLOW"),
    )


def _refuse_unknown(place: str, values: Any, known: set[str]) -> None:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{place}: is a {type(values).__name__}, not keys and values; compile it again")
    unknown = sorted(set(map(str, values)) - known)
    if unknown:
        raise ConfigError(f"{place}: unknown field {', '.join(unknown)}; the fields are {', '.join(sorted(known))}")


def _check_labels(labels: Any) -> None:
    if not isinstance(labels, Mapping) or not all(isinstance(text, str) for pair in labels.items() for text in pair):
        raise ConfigError("labels: are not names and values; write them as {name: value}")


def _strict(values: Any, message: Any, place: str) -> Any:
    try:
        return json_format.ParseDict(values, message)
    except (json_format.ParseError, AttributeError, TypeError, ValueError, OverflowError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{place}: {first}; Vertex AI would refuse it, compile it again") from None
