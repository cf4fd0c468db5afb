"""Refuses what cannot run on Vertex AI: one plain sentence each, with the alternative."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hilir.pipeline.config.schema import Config
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.deployed import find_deployed
from hilir.pipeline.spec.executors import custom_job_of, images_of, max_workers, option_of, steps
from hilir.pipeline.spec.local_paths import find_local
from hilir.pipeline.spec.parameters import starting_values
from hilir.pipeline.spec.specification import Specification, parse
from hilir.pipeline.spec.structure import check_structure
from hilir.pipeline.spec.vertex_names import check_names
from hilir.pipeline.vertex.compile.identity import check_identity

# What the enumeration PipelineFailurePolicy has (google/cloud/aiplatform/v1/pipeline_failure_policy.proto).
_POLICIES = tuple(f"PIPELINE_FAILURE_POLICY_{name}" for name in ("FAIL_SLOW", "FAIL_FAST", "UNSPECIFIED"))
# A tag stands after the last '/', a digest after '@'.
_PINNED = re.compile(r"[^@]+(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})")


def check_config(config: Config) -> list[str]:
    """Returns what of the configuration cannot be right for Vertex AI."""
    bucket = config.vertex.bucket or "BUCKET"
    paths = {
        "pipeline.root": (config.pipeline.root, f"gs://{bucket}/pipelines"),
        "serving.root": (config.serving.root, f"gs://{bucket}/models"),
        "data.path": (config.data.path, f"gs://{bucket}/data/{config.model.name}"),
        "schema.path": (config.schema_.path, f"gs://{bucket}/schemas/{config.model.name}.pbtxt"),
    }
    if config.data.query is not None:
        del paths["data.path"]
    faults = []
    for key, (path, example) in paths.items():
        if path is not None and not path.startswith(("gs://", "/gcs/")):
            verb = "copy it to a bucket and give that path" if key in ("data.path", "schema.path") else "give a bucket"
            faults.append(
                f"{key}: '{path}' is on this machine, where Vertex AI cannot read it; {verb}: {key}={example}"
            )
    if config.vertex.image is None:
        faults.append(
            "vertex.image: is not given; name the image of the steps, for example REGION-docker.pkg.dev/…:TAG"
        )
    return faults


def check_job(job: dict[str, Any], *, values: bool = True) -> list[str]:
    """Returns what of a compiled job Vertex AI would refuse or could not run.

    Args:
        job: the pipeline job as JSON values.
        values: whether the values are checked that a submission may still change.
    """
    try:
        parsed = parse(job)
    except ConfigError as error:
        return list(error.faults)
    faults = [*check_identity(job), *check_structure(parsed)] or list(_executors(parsed))
    if faults:
        # What follows reads parts that may not be there.
        return faults
    faults = [*check_names(parsed), *_images(parsed), *_scripts(parsed), *_runtime(parsed)]
    return [*faults, *find_local(parsed, starting_values(parsed))] if values else faults


def _executors(parsed: Specification) -> Iterator[str]:
    for step, _, executor in steps(parsed):
        try:
            custom_job_of(executor)
            max_workers(executor.container.args)
        except ConfigError as error:
            yield f"step {step}: {error}"
    try:
        list(find_deployed(parsed))
    except ConfigError as error:
        yield str(error)


def _images(parsed: Specification) -> Iterator[str]:
    images: dict[str, list[str]] = {}
    for step, _, executor in steps(parsed):
        for image in images_of(executor):
            images.setdefault(image, []).append(step)
    for image, users in images.items():
        if image != "no-image" and not _PINNED.fullmatch(image):
            where = ", ".join(sorted(users))
            yield f"the image '{image}' ({where}) has neither tag nor digest; pin it, for example '{image}:1.0'"


def _scripts(parsed: Specification) -> Iterator[str]:
    for step, _, executor in steps(parsed):
        path = option_of(executor.container.args, "executor_class_path") or ""
        if path.startswith("__main__."):
            yield (
                f"step {step}: its executor {path} is defined in a script, which no container can import; "
                f"move it into a package that is in the image"
            )


def _runtime(parsed: Specification) -> Iterator[str]:
    directory = parsed.output_directory
    if not directory.startswith("gs://"):
        yield f"runtimeConfig.gcsOutputDirectory: '{directory}' is not in a bucket; set pipeline.root to gs://BUCKET/pipelines"
    if parsed.failure_policy not in _POLICIES:
        policy = parsed.failure_policy
        yield f"runtimeConfig.failurePolicy: '{policy}' is not a policy; the policies are {' and '.join(_POLICIES[:2])}"
