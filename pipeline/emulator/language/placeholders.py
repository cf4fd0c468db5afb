"""Fills the placeholders of a command line: `{{$}}` and its parts.

The forms are those of kfp's compiler (kfp/dsl/placeholders.py) and of Vertex AI
(google_cloud_pipeline_components/_placeholders.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hilir.pipeline.emulator.errors import StepError

_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}")
_KEY = r"\['([^']+)'\]"
_PARAMETER = re.compile(rf"\.inputs\.parameters{_KEY}")
_ARTIFACT = re.compile(rf"\.(inputs|outputs)\.artifacts{_KEY}\.(uri|name|metadata{_KEY})")
_OUTPUT_FILE = re.compile(rf"\.outputs\.parameters{_KEY}\.output_file")
JOB_FIELDS = (
    "pipeline_google_cloud_location",
    "pipeline_google_cloud_project_id",
    "pipeline_job_create_time_utc",
    "pipeline_job_name",
    "pipeline_job_resource_name",
    "pipeline_job_schedule_time_utc",
    "pipeline_job_uuid",
    "pipeline_persistent_resource_id",
    "pipeline_root",
    "pipeline_service_account",
    "pipeline_task_name",
    "pipeline_task_uuid",
)


def find_unknown(text: str) -> list[str]:
    """Returns the placeholders in a string that cannot be filled."""
    return [found.group() for found in _PLACEHOLDER.finditer(text) if not _is_known(found.group(1))]


def fill(text: str, executor_input: Mapping[str, Any], job: Mapping[str, str]) -> str:
    """Returns the string with its placeholders filled.

    Args:
        text: one argument, or a constant.
        executor_input: ExecutorInput as JSON values.
        job: values of JOB_FIELDS.

    Raises:
        StepError: a placeholder names an input or output that is not there.
    """
    return _PLACEHOLDER.sub(lambda found: _value(found.group(1), executor_input, job), text)


def _is_known(body: str) -> bool:
    forms = (_PARAMETER, _ARTIFACT, _OUTPUT_FILE)
    known = body in ("", ".json_escape[1]", ".outputs.output_file") or body[1:] in JOB_FIELDS
    return known or any(form.fullmatch(body) for form in forms)


def _value(body: str, executor_input: Mapping[str, Any], job: Mapping[str, str]) -> str:
    inputs, outputs = executor_input["inputs"], executor_input["outputs"]
    try:
        if body == "":
            return json.dumps(executor_input)
        if body == ".json_escape[1]":
            return json.dumps(json.dumps(executor_input))[1:-1]
        if body == ".outputs.output_file":
            return str(outputs["outputFile"])
        if found := _PARAMETER.fullmatch(body):
            return render(inputs["parameterValues"][found.group(1)])
        if found := _OUTPUT_FILE.fullmatch(body):
            return str(outputs["parameters"][found.group(1)]["outputFile"])
        if found := _ARTIFACT.fullmatch(body):
            artifact = executor_input[found.group(1)]["artifacts"][found.group(2)]["artifacts"][0]
            return render(artifact["metadata"][found.group(4)] if found.group(4) else artifact[found.group(3)])
        return job[body[1:]]
    except (KeyError, IndexError):
        raise StepError(f"the placeholder {{{{${body}}}}} has no value here; fix the specification") from None


def render(value: Any) -> str:
    """Returns a parameter's value as text: 5, 0.5, true, the text itself, or JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)
