"""The states of a job's steps, for a board."""

from __future__ import annotations

import time
from typing import Any

from hilir.pipeline.report.board import Board, State
from hilir.pipeline.spec.node_labels import node_labels
from hilir.pipeline.spec.specification import Specification

# PipelineTaskDetail.State (google/cloud/aiplatform/v1/pipeline_job.proto); SKIPPED is a cached execution.
_STATES: dict[str, State] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "CANCEL_PENDING": "running",
    "CANCELLING": "running",
    "SUCCEEDED": "done",
    "SKIPPED": "cached",
    "CANCELLED": "failed",
    "FAILED": "failed",
    "NOT_TRIGGERED": "skipped",
}
_ENDED = ("done", "cached", "failed", "skipped")


def make_board(job_id: str, parsed: Specification) -> Board:
    """Returns a board with the job's steps in an order of running."""
    return Board(job_id, list(node_labels(parsed).values()))


def update_board(board: Board, job: Any) -> bool:
    """Passes the states of the job's tasks on to the board; says whether one has changed."""
    changed = False
    for task in job.job_detail.task_details:
        node = board.nodes.get(task.task_name)
        state = _STATES.get(task.state.name)
        if node is None or state is None or state == node.state:
            continue
        changed = True
        if state == "running":
            board.start(node.id)
        if state in _ENDED:
            # The board counts from when the step began here; Vertex AI knows when it did there.
            node.started = time.monotonic() - _seconds(task)
            board.finish(node.id, state)
    return changed


def read_steps(job: Any) -> list[tuple[str, str, float]]:
    """Returns name, state and seconds of each task, in the order in which they were made."""
    tasks = sorted(job.job_detail.task_details, key=lambda task: int(task.task_id))
    return [(task.task_name, _STATES.get(task.state.name, "waiting"), _seconds(task)) for task in tasks]


def describe_failure(job: Any) -> tuple[str, str]:
    """Returns the first step that failed, and a string with all of them, each with its error."""
    failed = [task for task in job.job_detail.task_details if task.state.name == "FAILED"]
    # A failed inner pipeline repeats what its step says.
    parents = {task.parent_task_id for task in failed}
    failed = [task for task in failed if task.task_id not in parents] or failed
    lines = [f"{task.task_name}: {_reason(task)}" for task in failed]
    if not lines:
        lines = [" ".join(job.error.message.split()) or "Vertex AI does not say why"]
    return (failed[0].task_name if failed else "", "\n".join(lines))


def _reason(task: Any) -> str:
    reason = " ".join(task.error.message.split()) or "failed without a message"
    logs = task.executor_detail.container_detail.main_job
    return f"{reason} (logs: {logs})" if logs else reason


def _seconds(task: Any) -> float:
    if not task.start_time or not task.end_time:
        return 0.0
    return float((task.end_time - task.start_time).total_seconds())
