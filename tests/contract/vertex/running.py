"""Runs a submitted job through the emulator, in a thread of the server, and tells what its tasks do."""

from __future__ import annotations

from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Any

from google.cloud.aiplatform_v1 import PipelineJob, PipelineTaskDetail
from google.protobuf import json_format

from hilir.components.processes.errors import Canceled
from hilir.components.processes.fork_server import serve_modules
from hilir.components.processes.process import FreshProcesses, make_environment
from hilir.pipeline.emulator import emulation
from hilir.pipeline.emulator.artifact_store import Store as Metadata
from hilir.pipeline.emulator.buckets import Mount
from hilir.pipeline.emulator.dag import DagRunner, describe_failures
from hilir.pipeline.emulator.executor_input import Inputs
from hilir.pipeline.emulator.job import Job
from hilir.pipeline.emulator.preparation import make_plan
from hilir.pipeline.report.board import Node
from hilir.pipeline.spec.node_labels import node_labels

State = PipelineJob.pb(PipelineJob()).DESCRIPTOR.fields_by_name["state"].enum_type.values_by_name
TaskState = PipelineTaskDetail.State
# A cached execution is SKIPPED, a task whose condition did not hold is NOT_TRIGGERED (pipeline_job.proto).
_TASK_STATES = {
    "waiting": TaskState.PENDING,
    "running": TaskState.RUNNING,
    "done": TaskState.SUCCEEDED,
    "cached": TaskState.SKIPPED,
    "failed": TaskState.FAILED,
    "skipped": TaskState.NOT_TRIGGERED,
}


def whole(value: Any) -> Any:
    """Returns a value of a Struct, which knows no integers, with whole numbers as such."""
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Running:
    """One job that runs."""

    def __init__(self, message: Any, buckets: Path, folder: Path, *, fast: bool) -> None:
        self.message = message
        body = whole(json_format.MessageToDict(message))
        spec = {
            "displayName": message.display_name,
            "pipelineSpec": body["pipelineSpec"],
            "runtimeConfig": {
                key: body["runtimeConfig"][key]
                for key in ("gcsOutputDirectory", "parameterValues")
                if key in body["runtimeConfig"]
            },
        }
        mounts = [Mount(f"gs://{path.name}", str(path)) for path in buckets.iterdir() if path.is_dir()]
        self.parsed = make_plan(spec, [], mounts, folder)
        identifier = message.name.rpartition("/")[2]
        self.folder = folder / identifier
        self.logs = self.folder / "logs"
        self.logs.mkdir(parents=True)
        self.board = emulation.make_board(identifier, self.parsed)
        self.board.listeners.append(self._note)
        self.errors: dict[str, str] = {}
        log = self.logs / "pre.log"
        modules = emulation.find_modules(self.parsed)
        starter = serve_modules(modules, make_environment({}), log, f"see {log}") if fast else FreshProcesses()
        self.job = Job(
            parsed=self.parsed,
            name=identifier,
            folder=self.folder,
            store=Metadata(folder / "metadata.sqlite"),
            board=self.board,
            starter=starter,
            slots=BoundedSemaphore(2),
            patient=False,
        )
        self.thread = Thread(target=self._run, daemon=True, name=identifier)

    def start(self) -> None:
        self._set("PIPELINE_STATE_RUNNING")
        self.message.start_time.GetCurrentTime()
        self.thread.start()

    def cancel(self) -> None:
        self._set("PIPELINE_STATE_CANCELLING")
        self.job.cancel.set()

    def _run(self) -> None:
        try:
            results = DagRunner(self.job, node_labels(self.parsed)).run(
                self.parsed.spec.root, Inputs(self.parsed.parameter_values, {})
            )
        except Canceled:
            self._set("PIPELINE_STATE_CANCELLED")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is the job's error, and the test shows it
            self.message.error.message = f"{type(error).__name__}: {error}"
            self._set("PIPELINE_STATE_FAILED")
        else:
            failures = describe_failures(results)
            self.errors = dict(failure.split(": ", 1) for failure in failures)
            if failures:
                self.message.error.message = f"The DAG failed because some tasks failed. Tasks: [{list(self.errors)}]"
            canceled = self.job.cancel.is_set()
            last = "CANCELLED" if canceled else "FAILED" if failures else "SUCCEEDED"
            self._set(f"PIPELINE_STATE_{last}")
        finally:
            self.job.starter.close()
            self.message.end_time.GetCurrentTime()

    def _set(self, state: str) -> None:
        self.message.state = State[state].number

    def _note(self, node: Node) -> None:
        del node

    def detail(self) -> None:
        """Writes the tasks' states into the job, as a GET returns them; the dag itself is the first of them."""
        details = self.message.job_detail.task_details
        del details[:]
        root = details.add(task_id=1, task_name=self.parsed.name, state=_root_state(self.message.state))
        root.create_time.CopyFrom(self.message.create_time)
        for number, node in enumerate(list(self.board.nodes.values()), 2):
            task = details.add(task_id=number, parent_task_id=1, task_name=node.id, state=_TASK_STATES[node.state])
            if node.state == "failed":
                task.error.message = self.errors.get(node.id, "The task was canceled.")
            if node.state in ("done", "failed"):
                task.start_time.CopyFrom(self.message.start_time)
                task.end_time.FromMilliseconds(self.message.start_time.ToMilliseconds() + int(node.seconds * 1000))


def _root_state(state: int) -> int:
    name = next(key for key, value in State.items() if value.number == state).removeprefix("PIPELINE_STATE_")
    return TaskState[name] if name in ("SUCCEEDED", "FAILED", "CANCELLED") else TaskState.RUNNING
