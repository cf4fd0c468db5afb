"""The request that creates a pipeline job, exactly as it is sent."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.local_paths import find_local
from hilir.pipeline.spec.parameters import set_parameters
from hilir.pipeline.spec.specification import Specification, parse
from hilir.pipeline.vertex.client.source import Source
from hilir.pipeline.vertex.compile.identity import fields_of, labels_of

Json = dict[str, Any]

# CreatePipelineJobRequest.pipeline_job_id (google/cloud/aiplatform/v1/pipeline_service.proto) has at most 128.
_NAME_LENGTH = 100


def make_request(source: Source, parameters: Sequence[str], project: str, *, cached: bool | None = None) -> Any:
    """Returns a CreatePipelineJobRequest with an id of its own, under which Vertex AI makes one job at most.

    Args:
        source: what to run.
        parameters: `name=value` from the command line.
        project: where.
        cached: whether unchanged steps are skipped; None: as each step says.

    Raises:
        ConfigError: a parameter is unknown, lacks a value or has the wrong type, or is a path of this machine.
    """
    from google.cloud.aiplatform_v1 import CreatePipelineJobRequest

    parsed = parse(source.job)
    values = set_parameters(parsed, parameters)
    faults = find_local(parsed, values)
    if faults:
        raise ConfigError(faults)
    return CreatePipelineJobRequest(
        parent=f"projects/{project}/locations/{source.vertex.region}",
        pipeline_job_id=make_id(parsed.name),
        pipeline_job=make_job(source, parsed, values, cached=cached),
    )


def make_id(name: str) -> str:
    """Returns a new id: the pipeline's name, the time in UTC, and four digits."""
    return f"{name[:_NAME_LENGTH].rstrip('-')}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def make_job(source: Source, parsed: Specification, values: Mapping[str, Any], *, cached: bool | None) -> Any:
    """Returns the PipelineJob with what the configuration says of account, network, key and labels."""
    from google.cloud.aiplatform_v1 import PipelineJob
    from google.protobuf import json_format

    vertex = source.vertex
    spec = source.job["pipelineSpec"] if cached is None else _with_cache(source.job["pipelineSpec"], cached)
    body: Json = {
        "displayName": parsed.display_name,
        "labels": labels_of(source.job, vertex),
        "pipelineSpec": spec,
        "runtimeConfig": {
            "gcsOutputDirectory": parsed.output_directory,
            "parameterValues": dict(values),
            "failurePolicy": parsed.failure_policy,
        },
        **fields_of(vertex),
    }
    job = PipelineJob()
    json_format.ParseDict(body, PipelineJob.pb(job))
    return job


def read_specification(job: Any) -> Specification:
    """Returns the specification of a job that was read from Vertex AI."""
    from google.protobuf import json_format

    body = json_format.MessageToDict(type(job).pb(job))
    runtime = {key: body.get("runtimeConfig", {}).get(key) for key in ("gcsOutputDirectory", "parameterValues")}
    spec = {key: value for key, value in body["pipelineSpec"].items() if value is not None}
    return parse({"displayName": job.display_name, "pipelineSpec": spec, "runtimeConfig": runtime})


def show_request(request: Any) -> str:
    """Returns a request as JSON, as it is sent over REST."""
    from google.protobuf import json_format

    return json.dumps(json_format.MessageToDict(type(request).pb(request)), indent=2, sort_keys=True)


def _with_cache(spec: Json, cached: bool) -> Json:
    """Returns the specification with the caching of each task switched."""
    copy: Json = json.loads(json.dumps(spec))
    for component in [copy["root"], *copy.get("components", {}).values()]:
        for task in component.get("dag", {}).get("tasks", {}).values():
            task["cachingOptions"] = {"enableCache": cached}
    return copy
