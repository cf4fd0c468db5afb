"""Reads what the executor of a step asks for: options of its command line, and a custom job with its worker pools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from google.protobuf import json_format

from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.specification import Specification

Json = Mapping[str, Any]

# The program of Google Cloud Pipeline Components that creates a custom job and waits for it.
LAUNCHER = "google_cloud_pipeline_components.container.v1.custom_job.launcher"

_MESSAGES = ("machine_spec", "machineSpec", "container_spec", "containerSpec")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")


def steps(parsed: Specification) -> Iterator[tuple[str, Any, Any]]:
    """Yields (step, task, executor) of each task that is not a dag; the specification's structure has been checked."""
    components = parsed.spec.components
    for _, component in [("", parsed.spec.root), *sorted(components.items())]:
        for name, task in sorted(component.dag.tasks.items()):
            label = components[task.component_ref.name].executor_label
            if label:
                yield name, task, parsed.deployment.executors[label]


def option_of(args: Sequence[str], name: str) -> str | None:
    """Returns the value of `--name value` or `--name=value`; the last one counts."""
    found = None
    for argument, following in pairwise([*args, ""]):
        if argument == f"--{name}":
            found = following
        elif argument.startswith(f"--{name}="):
            found = argument.partition("=")[2]
    return found


def max_workers(args: Sequence[str]) -> int | None:
    """Returns the most workers that the step has on Dataflow, one without the option, None where it runs elsewhere.

    Raises:
        ConfigError: the option is not a number; the message does not name the step.
    """
    if option_of(args, "runner") != "DataflowRunner":
        return None
    text = option_of(args, "max_num_workers")
    if text is None:
        return 1
    if not _COUNT.fullmatch(text):
        raise ConfigError(f"--max_num_workers={text:.80} is not a number of workers; give 1 or more")
    return int(text)


def custom_job_of(executor: Any) -> Json | None:
    """Returns the CustomJobSpec that the executor starts, as JSON values, None where it starts none.

    Raises:
        ConfigError: it is not a CustomJob of the API; the message does not name the step.
    """
    if executor.WhichOneof("spec") == "custom_job":
        return _spec_of(json_format.MessageToDict(executor.custom_job.custom_job))
    if LAUNCHER not in executor.container.command:
        return None
    try:
        payload = json.loads(option_of(executor.container.args, "payload") or "")
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise ConfigError("the custom job's launcher has no readable --payload; compile again")
    return _spec_of(payload)


def pools_of(spec: Json) -> list[Json]:
    """Returns the worker pools of a CustomJobSpec."""
    return list(spec.get("worker_pool_specs") or spec.get("workerPoolSpecs") or [])


def images_of(executor: Any) -> list[str]:
    """Returns the images that the executor runs.

    Raises:
        ConfigError: as `custom_job_of`.
    """
    images = [executor.container.image] if executor.HasField("container") else []
    for pool in pools_of(custom_job_of(executor) or {}):
        container = pool.get("container_spec") or pool.get("containerSpec") or {}
        image = container.get("image_uri") or container.get("imageUri")
        images += [image] if image else []
    return images


def _has_shape(spec: Any) -> bool:
    """Returns whether there are keys and values where the API has messages; its reader takes strings for empty ones."""
    if not isinstance(spec, Mapping):
        return False
    parts: list[Any] = [spec.get("scheduling") or {}, *pools_of(spec)]
    for pool in parts[1:]:
        if isinstance(pool, Mapping):
            parts += [pool.get(key) or {} for key in _MESSAGES]
    return all(isinstance(part, Mapping) for part in parts)


def _spec_of(job: Json) -> Json:
    """Returns the specification in a CustomJob, or that it is one without the frame, once the API's types fit."""
    from google.cloud.aiplatform_v1 import CustomJob, CustomJobSpec

    inner = job.get("jobSpec") or job.get("job_spec")
    kind = CustomJob if inner else CustomJobSpec
    try:
        # The service may know fields and accelerators that the client here does not.
        message = json_format.ParseDict(dict(job), kind.pb(kind()), ignore_unknown_fields=True)
    except (json_format.ParseError, AttributeError, TypeError, ValueError, OverflowError) as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(f"its custom job is not valid on Vertex AI: {first:.200}; compile again") from None
    spec = message.job_spec if inner else message
    if not _has_shape(inner or job):
        raise ConfigError("its custom job has worker pools that are not keys and values; compile again")
    counts = [pool.replica_count for pool in spec.worker_pool_specs]
    counts += [pool.machine_spec.accelerator_count for pool in spec.worker_pool_specs]
    if min([0, *counts]) < 0 or spec.scheduling.timeout.ToNanoseconds() < 0:
        raise ConfigError("its custom job has a negative count or timeout; give 1 or more")
    return dict(inner or job)
