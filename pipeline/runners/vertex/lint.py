"""Refuses what cannot run on Vertex AI: one plain sentence each, with the alternative."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from pipeline.config.schema import Config
from pipeline.errors import ConfigError
from pipeline.runners.vertex.containers import containers, tasks
from pipeline.runners.vertex.specification import parse
from pipeline.runners.vertex.structure import check_structure

Json = Mapping[str, Any]

# tfx/orchestration/kubeflow/v2/pipeline_builder.py, _LEGAL_NAME_PATTERN
_PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
# A tag stands after the last '/', a digest after '@'.
_PINNED = re.compile(r"[^@]+(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})")
# Where a path of this machine would begin; /gcs/ is where Vertex AI mounts buckets, /tmp/ is any machine's own.
_LOCAL = re.compile(r"(file:)?/(?!gcs/|tmp/|dev/)[\w.+-]+(/[\w.+-]+)+/?")


def check_config(config: Config) -> list[str]:
    """Returns what of the configuration cannot be right for Vertex AI."""
    bucket = config.vertex.bucket or "BUCKET"
    paths = {
        "pipeline.root": (config.pipeline.root, f"gs://{bucket}/pipelines"),
        "serving.root": (config.serving.root, f"gs://{bucket}/models"),
        "data.path": (config.data.path, f"gs://{bucket}/data/{config.model.name}"),
        "schema.path": (config.schema_.path, f"gs://{bucket}/schemas/{config.model.name}.pbtxt"),
    }
    faults = []
    for key, (path, example) in paths.items():
        if path is not None and not path.startswith(("gs://", "/gcs/")):
            verb = "copy it to a bucket and give that path" if key in ("data.path", "schema.path") else "give a bucket"
            faults.append(f"{key}: '{path}' is on this machine, which Vertex AI does not see; {verb}: {key}={example}")
    if config.vertex.image is None:
        faults.append(
            "vertex.image: is not given; name the image of the steps, for example REGION-docker.pkg.dev/…:TAG"
        )
    return faults


def check_job(job: dict[str, Any]) -> list[str]:
    """Returns what of a compiled job Vertex AI would refuse or could not run."""
    try:
        parsed = parse(job)
    except ConfigError as error:
        return list(error.faults)
    return [*check_structure(parsed), *_names(job), *_images(job), *_executors(job), *_local_paths(job)]


def _names(job: Json) -> Iterator[str]:
    name = job["pipelineSpec"]["pipelineInfo"]["name"]
    if not _PIPELINE_NAME.fullmatch(name):
        yield f"the pipeline's name '{name}': Vertex AI takes a-z, 0-9 and '-', at most 128 of them; rename it"
    for step, _ in tasks(dict(job)):
        if not _TASK_NAME.fullmatch(step):
            yield f"step '{step}': Vertex AI takes letters, digits, '.', '_' and '-', at most 128; rename it"
    for parameter in job["pipelineSpec"]["root"].get("inputDefinitions", {}).get("parameters", {}):
        if not _PARAMETER_NAME.fullmatch(parameter):
            yield f"parameter '{parameter}': Vertex AI takes letters, digits, '_' and '-'; rename it"


def _images(job: Json) -> Iterator[str]:
    steps: dict[str, list[str]] = {}
    for step, container in containers(dict(job)):
        for image in [container.get("image", ""), *_payload_images(container)]:
            steps.setdefault(image, []).append(step)
    for image, users in steps.items():
        if image != "no-image" and not _PINNED.fullmatch(image):
            where = ", ".join(sorted(users))
            yield f"the image '{image}' ({where}) has neither tag nor digest; pin it, for example '{image}:1.0'"


def _payload_images(container: Json) -> list[str]:
    args = list(container.get("args", []))
    if "--payload" not in args:
        return []
    pools = json.loads(args[args.index("--payload") + 1])["job_spec"]["worker_pool_specs"]
    return [pool["container_spec"]["image_uri"] for pool in pools]


def _executors(job: Json) -> Iterator[str]:
    for step, container in containers(dict(job)):
        args = container.get("args", [])
        for flag, value in pairwise(args):
            if flag == "--executor_class_path" and value.startswith("__main__."):
                yield (
                    f"step {step}: its executor {value} is defined in a script, which no container can import; "
                    f"move it into a package that is in the image"
                )


def _local_paths(job: Json) -> Iterator[str]:
    directory = str(job.get("runtimeConfig", {}).get("gcsOutputDirectory", ""))
    if not directory.startswith("gs://"):
        yield f"runtimeConfig.gcsOutputDirectory: '{directory}' is no bucket; set pipeline.root to gs://BUCKET/pipelines"
    for step, task in tasks(dict(job)):
        for key, source in task.get("inputs", {}).get("parameters", {}).items():
            for path in _paths(source.get("runtimeValue", {}).get("constant")):
                yield f"step {step}, {key}: '{path}' is on this machine; copy it to a bucket and give its gs:// path"
    for step, container in containers(dict(job)):
        for argument in [*container.get("command", []), *container.get("args", [])]:
            for path in _paths(argument.partition("=")[2] or argument):
                yield f"step {step}: the argument '{path}' is a path of this machine; give a gs:// path"


def _paths(value: Any) -> Iterator[str]:
    """Yields the texts in a value, also in JSON inside a text, that are paths of this machine."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _paths(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner)
    elif isinstance(value, str):
        if value.lstrip().startswith(("{", "[")):
            try:
                yield from _paths(json.loads(value))
            except ValueError:
                return
        elif _LOCAL.fullmatch(value):
            yield value
