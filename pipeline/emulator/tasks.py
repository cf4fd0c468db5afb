"""Runs one task: a container, a training job, an importer or a resolver."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import TIMEOUT_MAX
from typing import Any

from google.protobuf import json_format

from hilir.components.processes.errors import Canceled, ProcessError
from hilir.components.processes.process import describe_exit, make_environment, wait
from hilir.pipeline.emulator.artifact_store import NOTHING, Artifact, Outputs
from hilir.pipeline.emulator.cache import make_key
from hilir.pipeline.emulator.errors import StepError
from hilir.pipeline.emulator.executor_input import (
    Inputs,
    Json,
    clear_outputs,
    collect_outputs,
    make_executor_input,
    make_outputs,
    merge_artifacts,
    read_executor_output,
)
from hilir.pipeline.emulator.job import Job
from hilir.pipeline.emulator.language import placeholders
from hilir.pipeline.emulator.language.query import parse_filter
from hilir.pipeline.emulator.log_figures import Follower
from hilir.pipeline.emulator.step_log import read_reason
from hilir.pipeline.emulator.task_inputs import Result
from hilir.pipeline.emulator.worker_pools import run_custom_job
from hilir.pipeline.spec.executors import LAUNCHER


@dataclass(frozen=True)
class Task:
    """A task that is about to run: its name and label, its parts of the specification, and its inputs."""

    name: str
    label: str
    spec: Any
    component: Any
    inputs: Inputs


def run_task(task: Task, job: Job) -> Result:
    """Runs the task and records it; tries again as its retry policy says.

    Raises:
        Canceled: the user stopped the emulation.
    """
    began = time.time()
    executor = job.parsed.deployment.executors[task.component.executor_label]
    try:
        result, key = _run(task, executor, job)
    except ProcessError as error:
        result, key = Result("failed", error=str(error)), None
    made = NOTHING if executor.WhichOneof("spec") == "resolver" else result.outputs
    job.store.record(job.name, job.parsed.name, task.label, result.state, made, began, key)
    return result


def _run(task: Task, executor: Any, job: Job) -> tuple[Result, str | None]:
    match executor.WhichOneof("spec"):
        case "importer":
            return Result("done", _import(task, executor.importer, job)), None
        case "resolver":
            return Result("done", _resolve(task, executor.resolver, job)), None
        case _:
            return _attempts(task, executor, job)


def _attempts(task: Task, executor: Any, job: Job) -> tuple[Result, str | None]:
    policy = task.spec.retry_policy
    delay = policy.backoff_duration.ToTimedelta().total_seconds()
    longest = policy.backoff_max_duration.ToTimedelta().total_seconds() or 3600.0
    folder = job.make_task_folder(task.name)
    log = job.log_of(task.label)
    log.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(policy.max_retry_count + 1):
        _note(log, f"attempt {attempt + 1} of {policy.max_retry_count + 1}")
        try:
            return _attempt(task, executor, job, folder, log)
        except ProcessError as error:
            if attempt == policy.max_retry_count:
                tried = f" ({attempt + 1} attempts)" if attempt else ""
                raise StepError(f"{error}{tried}") from None
            _note(log, f"failed: {error}")
        job.board.report(task.label, {"retries": attempt + 1})
        if job.cancel.wait(min(delay, longest, TIMEOUT_MAX) if job.patient else min(delay, 1.0)):
            raise Canceled
        # What this attempt wrote must not count as the next one's result.
        clear_outputs(task.component, folder)
        delay *= policy.backoff_factor or 2.0
    raise AssertionError("the last attempt returns or raises")


def _attempt(task: Task, executor: Any, job: Job, folder: Path, log: Path) -> tuple[Result, str | None]:
    outputs = make_outputs(task.component, str(folder), job.store_name)
    executor_input = make_executor_input(task.component, task.inputs, outputs, str(folder))
    inputs, container = task.inputs, executor.container
    if container.lifecycle.pre_cache_check.command:
        hook = container.lifecycle.pre_cache_check
        _execute([*hook.command, *hook.args], executor_input, task, container, job, folder, log)
        found = read_executor_output(Path(executor_input["outputs"]["outputFile"]))
        # The platform takes over what the driver found before it looks for a cached execution.
        inputs = replace(inputs, parameters={**inputs.parameters, **((found or {}).get("parameterValues") or {})})
        outputs = merge_artifacts(outputs, found)
        executor_input = make_executor_input(task.component, inputs, outputs, str(folder))
    key = make_key(job.parsed.name, task.component, executor, inputs)
    if job.cache and task.spec.caching_options.enable_cache:
        cached = job.store.find_cached(key)
        if cached is not None:
            return Result("cached", cached), None
    on_poll = Follower(log, lambda figures: job.board.report(task.label, figures)).report_new
    if executor.WhichOneof("spec") == "custom_job":
        payload = _filled(json_format.MessageToDict(executor.custom_job.custom_job), executor_input, task, job, folder)
        run_custom_job(payload, job.starter, log, job.cancel, on_poll)
    elif LAUNCHER in container.command:
        run_custom_job(_payload(container, executor_input, task, job, folder), job.starter, log, job.cancel, on_poll)
    else:
        _execute([*container.command, *container.args], executor_input, task, container, job, folder, log)
    return Result("done", collect_outputs(task.component, executor_input, outputs)), key


def _execute(
    argv: Sequence[str], executor_input: Json, task: Task, container: Any, job: Job, folder: Path, log: Path
) -> None:
    values = job.placeholder_values(task.name, folder)
    filled = [placeholders.fill(word, executor_input, values) for word in argv]
    environment = make_environment({variable.name: variable.value for variable in container.env})
    child = job.starter.start(filled, environment, log)
    follower = Follower(log, lambda figures: job.board.report(task.label, figures))
    (code,) = wait([child], job.cancel, on_poll=follower.report_new)
    if code:
        reason = read_reason(log)
        if not reason:
            raise StepError(f"{describe_exit(code)} (log: {log})")
        raise StepError(f"{reason}{_describe_code(code)}")


def _describe_code(code: int) -> str:
    return "" if code == 1 else f"; it {describe_exit(code)}"


def _payload(container: Any, executor_input: Json, task: Task, job: Job, folder: Path) -> Json:
    args = list(container.args)
    text = placeholders.fill(
        args[args.index("--payload") + 1], executor_input, job.placeholder_values(task.name, folder)
    )
    try:
        payload: Json = json.loads(text)
    except ValueError as error:
        raise StepError(f"its --payload is not JSON once its placeholders are filled: {error}") from None
    return payload


def _filled(value: Any, executor_input: Json, task: Task, job: Job, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, executor_input, task, job, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, executor_input, task, job, folder) for inner in value]
    if isinstance(value, str):
        return placeholders.fill(value, executor_input, job.placeholder_values(task.name, folder))
    return value


def _import(task: Task, importer: Any, job: Job) -> Outputs:
    """Registers what is at a path, or finds it registered unless it is to be imported anew."""
    if importer.artifact_uri.WhichOneof("value") == "constant":
        uri = importer.artifact_uri.constant.string_value
        uri = placeholders.fill(uri, make_executor_input(task.component, task.inputs, {}, ""), job.placeholder_values())
    else:
        uri = str(task.inputs.parameters.get(importer.artifact_uri.runtime_parameter, ""))
    if not uri:
        raise StepError("is to import an artifact and has no path for it")
    made = {}
    for key, artifact in make_outputs(task.component, "", job.store_name).items():
        metadata = {**artifact.metadata, **json_format.MessageToDict(importer.metadata)}
        fresh = replace(artifact, uri=uri, metadata=metadata)
        made[key] = fresh if importer.reimport else _registered(fresh, job) or fresh
    return Outputs(made, {})


def _registered(artifact: Artifact, job: Job) -> Artifact | None:
    known = job.store.list_artifacts(None, artifact.title)
    return next((a for a in known if a.uri == artifact.uri and a.metadata == artifact.metadata), None)


def _resolve(task: Task, resolver: Any, job: Job) -> Outputs:
    """Finds the latest artifact of this pipeline that passes each query; none is a legal answer."""
    executor_input = make_executor_input(task.component, task.inputs, {}, "")
    found = {}
    for key, query in resolver.output_artifact_queries.items():
        try:
            text = placeholders.fill(query.filter, executor_input, job.placeholder_values(task.name))
        except StepError:
            # It asks for what belongs to an artifact that the resolver before did not find.
            continue
        title, passes = parse_filter(text)
        artifact = next((a for a in job.store.list_artifacts(job.parsed.name, title) if passes(a)), None)
        if artifact is not None:
            found[key] = artifact
    return Outputs(found, {})


def _note(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(f"--- {text}\n")
