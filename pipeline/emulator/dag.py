"""Runs the tasks of a dag, each as soon as it may, and inner dags in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2

from hilir.components.processes.errors import Canceled
from hilir.pipeline.emulator.artifact_store import Outputs
from hilir.pipeline.emulator.errors import StepError
from hilir.pipeline.emulator.executor_input import Inputs, make_executor_input
from hilir.pipeline.emulator.job import Job
from hilir.pipeline.emulator.language import cel
from hilir.pipeline.emulator.task_inputs import Result, Scope, find_inputs, find_outputs
from hilir.pipeline.emulator.tasks import Task, run_task
from hilir.pipeline.report import step_figures
from hilir.pipeline.report.run_records import ArtifactRecord
from hilir.pipeline.spec.structure import upstream_tasks

_ALWAYS = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED
_FAST = "PIPELINE_FAILURE_POLICY_FAIL_FAST"
_HEARTBEAT_SECONDS = 0.5

Path = tuple[str, ...]


class DagRunner:
    """Runs the dags of one job."""

    def __init__(self, job: Job, labels: Mapping[Path, str]) -> None:
        """`labels`: names on the board by path, as `spec.node_labels` returns them."""
        self._job = job
        self._labels = labels

    def run(self, component: Any, inputs: Inputs, path: Path = ()) -> dict[str, Result]:
        """Runs all tasks of the component's dag and returns how each ended.

        A task runs when those before it have succeeded, or merely ended if its trigger policy says so. After a failure,
        what does not depend on it continues (fail slow) or nothing else starts (fail fast).

        Raises:
            Canceled: the user stopped the emulation.
        """
        tasks = component.dag.tasks
        results: dict[str, Result] = {}
        waiting = {name: upstream_tasks(tasks[name]) for name in sorted(tasks)}
        running: dict[Future[Result], str] = {}
        with ThreadPoolExecutor(max_workers=max(1, len(waiting))) as pool:
            try:
                while waiting or running:
                    for name in [name for name, before in waiting.items() if before <= results.keys()]:
                        del waiting[name]
                        if self._may_run(tasks[name], results):
                            scope = Scope(inputs, dict(results))
                            running[pool.submit(self._one, name, tasks[name], scope, path)] = name
                        else:
                            results[name] = self._skip(name, tasks[name], path)
                    ended, _ = wait(running, timeout=_HEARTBEAT_SECONDS, return_when=FIRST_COMPLETED)
                    for future in ended:
                        results[running.pop(future)] = future.result()
            except BaseException:
                # Leaving the pool waits for its threads, and these for their processes.
                self._job.cancel.set()
                raise
        return results

    def _may_run(self, task: Any, results: Mapping[str, Result]) -> bool:
        if self._job.cancel.is_set():
            return False
        if task.trigger_policy.strategy == _ALWAYS:
            return True
        if self._job.failed.is_set() and self._job.parsed.failure_policy == _FAST:
            return False
        return all(results[name].ok for name in upstream_tasks(task))

    def _skip(self, name: str, task: Any, path: Path) -> Result:
        inner = self._job.parsed.spec.components[task.component_ref.name]
        if inner.HasField("dag"):
            for inside, part in inner.dag.tasks.items():
                self._skip(inside, part, (*path, name))
        else:
            self._job.board.finish(self._labels[(*path, name)], "skipped")
        return Result("skipped")

    def _one(self, name: str, task: Any, scope: Scope, path: Path) -> Result:
        component = self._job.parsed.spec.components[task.component_ref.name]
        label = self._labels.get((*path, name), name)
        try:
            inputs = find_inputs(task, component, scope, self._job)
            condition = task.trigger_policy.condition
            if condition and not cel.holds(condition, make_executor_input(component, inputs, {}, "")):
                return self._skip(name, task, path)
            if component.HasField("dag"):
                return self._inner(component, inputs, (*path, name))
        except StepError as error:
            return self._fail(name, task, path, str(error))
        with self._job.slots:
            if self._job.cancel.is_set():
                raise Canceled
            self._job.board.start(label)
            try:
                result = run_task(Task(name, label, task, component, inputs), self._job)
            except BaseException:
                self._job.board.finish(label, "failed")
                raise
        if not result.ok:
            self._job.failed.set()
        self._job.board.finish(label, result.state, _figures(result.outputs) if result.ok else {})
        return result

    def _fail(self, name: str, task: Any, path: Path, message: str) -> Result:
        self._job.failed.set()
        self._skip(name, task, path)
        if (*path, name) in self._labels:
            self._job.board.finish(self._labels[(*path, name)], "failed")
        return Result("failed", error=message)

    def _inner(self, component: Any, inputs: Inputs, path: Path) -> Result:
        results = self.run(component, inputs, path)
        failures = describe_failures(results)
        if failures:
            return Result("failed", error="\n".join(failures), nested=True)
        return Result("done", find_outputs(component, results))


def describe_failures(results: Mapping[str, Result]) -> list[str]:
    """Returns one text per failed task, the step's name first."""
    return [
        result.error if result.nested else f"{name}: {result.error}"
        for name, result in results.items()
        if result.state == "failed"
    ]


def show_artifacts(outputs: Outputs) -> dict[str, ArtifactRecord]:
    """Returns a task's artifacts in the form that reports read."""
    return {
        key: ArtifactRecord(
            artifact.uri,
            artifact.title.removeprefix("tfx."),
            {name.removeprefix("custom:"): value for name, value in artifact.metadata.items()},
        )
        for key, artifact in outputs.artifacts.items()
    }


def _figures(outputs: Outputs) -> dict[str, Any]:
    try:
        return step_figures.describe(show_artifacts(outputs))
    except Exception:  # noqa: BLE001 - other people's steps write what they like, and a figure is not worth a failed run
        return {}
