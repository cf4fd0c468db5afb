"""Adds to a compiled job what TFX's compiler drops or gets wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hilir.pipeline.config.schema import Config
from hilir.pipeline.config.vertex import Machine, RetriesSection
from hilir.pipeline.vertex.compile.containers import containers, tasks, unknown_steps
from hilir.pipeline.vertex.compile.dataflow_steps import use_dataflow

Json = dict[str, Any]

# The steps run with tf_keras whatever the image says.
ENVIRONMENT = {"TF_USE_LEGACY_KERAS": "1"}

_TFX_DRIVER = "tfx.orchestration.kubeflow.v2.file_based_example_gen.driver"
_DRIVER = "hilir.components.example_gen.driver"


def apply_patches(job: Json, config: Config) -> list[str]:
    """Changes the job in place; returns what the configuration asks for and the job has no place for."""
    steps: list[tuple[str, Callable[[Json, Config], list[str]]]] = [
        ("producers", _strip_producer_suffix),
        ("spans", _set_driver),
        ("machines", _set_machines),
        ("images", _check_images),
        ("environment", _set_environment),
        ("dataflow", use_dataflow),
        ("retries", _set_retries),
        ("cache", _set_caching),
    ]
    return [fault for _, patch in steps for fault in patch(job, config)]


def _strip_producer_suffix(job: Json, config: Config) -> list[str]:
    """TFX 1.21 names the producer of a parameter `<Id>_task`; the task is called `<Id>` (step_builder.py)."""
    del config
    names = {name for name, _ in tasks(job)}
    for _, task in tasks(job):
        for source in task.get("inputs", {}).get("parameters", {}).values():
            output = source.get("taskOutputParameter")
            if output and output["producerTask"] not in names:
                output["producerTask"] = output["producerTask"].removesuffix("_task")
    return []


def _set_driver(job: Json, config: Config) -> list[str]:
    """TFX's compiler writes its own driver whatever the component's DRIVER_CLASS is; ours chooses several spans."""
    if config.data.spans.bounds() == (None, None, None):
        return []
    for _, container in containers(job):
        hook = container.get("lifecycle", {}).get("preCacheCheck", {})
        command = hook.get("command", [])
        hook["command"] = [_DRIVER if word == _TFX_DRIVER else word for word in command]
    return []


def _set_machines(job: Json, config: Config) -> list[str]:
    """TFX drops the resources of FileBasedExampleGen (tensorflow/tfx#6146), so all are set here."""
    found = dict(containers(job))
    for step, machine in config.vertex.machines.items():
        if step in found:
            found[step]["resources"] = _resources(machine)
    return unknown_steps("vertex.machines", list(config.vertex.machines), list(found))


def _resources(machine: Machine) -> Json:
    resources: Json = {}
    if machine.cpu is not None:
        resources["cpuLimit"] = machine.cpu
    if machine.memory_gb is not None:
        resources["memoryLimit"] = machine.memory_gb
    if machine.accelerator is not None:
        resources["accelerator"] = {"type": machine.accelerator, "count": str(machine.accelerators)}
    return resources


def _check_images(job: Json, config: Config) -> list[str]:
    return unknown_steps("vertex.images", list(config.vertex.images), [name for name, _ in containers(job)])


def _set_environment(job: Json, config: Config) -> list[str]:
    del config
    for _, container in containers(job):
        present = {variable["name"] for variable in container.get("env", [])}
        added = [{"name": name, "value": value} for name, value in ENVIRONMENT.items() if name not in present]
        container["env"] = [*container.get("env", []), *added]
    return []


def _set_retries(job: Json, config: Config) -> list[str]:
    """TFX reads no NodeExecutionOptions here; PipelineTaskSpec.retry_policy is what Vertex AI reads."""
    retries = config.vertex.retries
    steps = [name for name, _ in containers(job)]
    for name, task in tasks(job):
        count = retries.steps.get(name, retries.count)
        if name in steps and count:
            task["retryPolicy"] = _retry_policy(retries, count)
    return unknown_steps("vertex.retries.steps", list(retries.steps), steps)


def _retry_policy(retries: RetriesSection, count: int) -> Json:
    return {
        "maxRetryCount": count,
        "backoffDuration": f"{retries.backoff_seconds:g}s",
        "backoffFactor": retries.backoff_factor,
        "backoffMaxDuration": f"{retries.max_backoff_seconds:g}s",
    }


def _set_caching(job: Json, config: Config) -> list[str]:
    steps = [name for name, _ in containers(job)]
    wanted = dict.fromkeys(config.pipeline.list_uncached(), False) | config.vertex.cache
    for name, task in tasks(job):
        if name in wanted:
            task["cachingOptions"] = {"enableCache": wanted[name]}
    return unknown_steps("vertex.cache", list(config.vertex.cache), steps)
