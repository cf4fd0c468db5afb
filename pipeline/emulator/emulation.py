"""Runs a plan from its first task to its last."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import BoundedSemaphore, Event

from hilir.components.processes.fork_server import serve_modules
from hilir.components.processes.process import FreshProcesses, Starter, make_environment
from hilir.pipeline.emulator.artifact_store import Store
from hilir.pipeline.emulator.dag import DagRunner, describe_failures, show_artifacts
from hilir.pipeline.emulator.executor_input import Inputs
from hilir.pipeline.emulator.job import Job
from hilir.pipeline.errors import StepFailed
from hilir.pipeline.report.board import Board
from hilir.pipeline.report.run_records import RunRecord, StepRecord
from hilir.pipeline.spec.node_labels import list_edges, node_labels
from hilir.pipeline.spec.specification import Specification

# Parameters of TFX's components that name a function of the user's.
_FUNCTIONS = ("run_fn", "preprocessing_fn", "tuner_fn")


@dataclass(frozen=True)
class Options:
    """`fast` forks preloaded processes, `parallel` steps at once, `cache` reuses earlier executions."""

    fast: bool = False
    cache: bool = True
    parallel: int | None = None


def make_board(run_id: str, parsed: Specification) -> Board:
    """Returns the board with a node per task."""
    labels = node_labels(parsed)
    return Board(run_id, list(labels.values()), list_edges(parsed, labels))


def run(
    parsed: Specification, board: Board, folder: Path, store: Store, options: Options, cancel: Event | None = None
) -> None:
    """Runs the pipeline; `read_record` returns what its steps made.

    Args:
        parsed: as `plan.make_plan` returns it.
        board: as `make_board` returns it; its run id is the job's.
        folder: the run's folder; each step's log goes to `logs` below it.
        store: earlier runs, for caching and resolvers.
        options: what the command line adds.
        cancel: ends all processes when another thread sets it; Ctrl-C does so too.

    Raises:
        StepFailed: a task failed; the others have ended.
        Canceled: `cancel` was set.
    """
    labels = node_labels(parsed)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    starter = _starter(parsed, folder, options)
    job = Job(
        parsed=parsed,
        name=board.run_id,
        folder=folder,
        store=store,
        board=board,
        starter=starter,
        slots=BoundedSemaphore(options.parallel or os.cpu_count() or 1),
        cache=options.cache,
        patient=not options.fast,
        cancel=cancel or Event(),
    )
    try:
        results = DagRunner(job, labels).run(parsed.spec.root, Inputs(parsed.parameter_values, {}))
    finally:
        starter.close()
    failures = describe_failures(results)
    if failures:
        raise StepFailed(failures[0].partition(":")[0], "\n".join(failures))


def _starter(parsed: Specification, folder: Path, options: Options) -> Starter:
    if not options.fast:
        return FreshProcesses()
    log = folder / "logs" / "preloaded.log"
    return serve_modules(find_modules(parsed), make_environment({}), log, f"see {log}, or leave out --fast")


def find_modules(parsed: Specification) -> list[str]:
    """Returns the modules worth loading once: those that the steps run, and those of their executors and functions."""
    modules: dict[str, None] = {}
    for executor in parsed.deployment.executors.values():
        words = [*executor.container.command, *executor.container.args]
        for flag, value in pairwise(words):
            if flag == "-m" and value.startswith("tfx."):
                modules[value] = None
            elif flag == "--executor_class_path":
                modules[value.rpartition(".")[0]] = None
    for component in [parsed.spec.root, *parsed.spec.components.values()]:
        for task in component.dag.tasks.values():
            for key, source in task.inputs.parameters.items():
                if key in _FUNCTIONS:
                    modules[source.runtime_value.constant.string_value.rpartition(".")[0]] = None
    return [name for name in modules if name]


def read_record(store: Store, run_id: str) -> RunRecord | None:
    """Returns what the store has of a run, None if no step of it has ended."""
    steps = [
        StepRecord(label, state, start, end - start, show_artifacts(outputs))
        for label, state, outputs, start, end in store.list_executions(run_id)
    ]
    return RunRecord(run_id, min(step.began for step in steps), tuple(steps)) if steps else None
