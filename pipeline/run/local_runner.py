"""Runs a built pipeline on this machine: TFX's LocalDagRunner, metadata in SQLite."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import logging as absl_logging
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from hilir.components.cause import describe, find_cause, find_user_folders
from hilir.pipeline.errors import ConfigError, StepFailed
from hilir.pipeline.report import step_figures
from hilir.pipeline.report.board import Board
from hilir.pipeline.run.metadata_store import RunStore
from hilir.pipeline.run.progress import Progress


@dataclass(frozen=True)
class Selection:
    """Which nodes of the pipeline to run: from these, to these; empty means all. `uncached` run also if unchanged."""

    first: Sequence[str] = ()
    last: Sequence[str] = ()
    uncached: Sequence[str] = ()


def run(pipeline: Pipeline, run_id: str, board: Board, selection: Selection, log: Path, package: str = "") -> None:
    """Runs the pipeline's steps in order and tells the board; returns when all are done.

    Args:
        pipeline: as `hilir.pipeline.graph.build` returns it, with a metadata store.
        run_id: name of the run in the store.
        board: its nodes are the pipeline's.
        selection: which nodes to run; the others are taken from the latest run.
        log: the file to name in messages.
        package: import path of the model package, whose files messages name.

    Raises:
        ConfigError: there is no earlier run to take the other nodes from.
        StepFailed: a step stopped the run.
        KeyboardInterrupt: the user stopped it, also while Beam worked.
    """
    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    for node in ir.nodes:
        if node.pipeline_node.node_info.id in selection.uncached:
            node.pipeline_node.execution_options.caching_options.enable_cache = False
    connection = pipeline.metadata_connection_config
    options = _options(selection)
    with _watched(board, connection, run_id):
        try:
            LocalDagRunner().run_with_ir(ir, options)
        except Exception as error:
            node = board.running()
            cause = find_cause(error, find_user_folders(package))
            if cause.is_interrupt:
                raise KeyboardInterrupt from error
            if node is None and options is not None:
                raise ConfigError(
                    f"--from/--to: the steps left out cannot be taken from an earlier run ({cause.message}); "
                    f"run the whole pipeline once first"
                ) from error
            if node is not None:
                board.finish(node, "failed")
            place = node or "before the first step"
            raise StepFailed(place, f"{place}: {describe(cause, log)}") from error


def _options(selection: Selection) -> pipeline_pb2.RunOptions | None:
    if not selection.first and not selection.last:
        return None
    options = pipeline_pb2.RunOptions()
    options.partial_run.from_nodes.extend(selection.first)
    options.partial_run.to_nodes.extend(selection.last)
    options.partial_run.snapshot_settings.latest_pipeline_run_strategy.SetInParent()
    return options


@contextmanager
def _watched(board: Board, connection: metadata_store_pb2.ConnectionConfig, run_id: str) -> Iterator[None]:
    def outcome(node: str) -> tuple[str, dict[str, Any]]:
        run = RunStore(connection).find_run(run_id)
        steps = [step for step in run.steps if step.node == node] if run else []
        if not steps:
            return "done", {}
        # A resolver that finds nothing is recorded as failed, and is none: there is no blessed model yet.
        state = "done" if steps[-1].state == "failed" else steps[-1].state
        return state, step_figures.describe(steps[-1].outputs)

    handler = Progress(board, outcome)
    loggers = [absl_logging.get_absl_logger(), logging.getLogger("hilir.progress")]
    # By absl's own function: TensorFlow Transform saves and restores absl's idea of the level, not the logger's.
    verbosity = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.INFO)
    loggers[1].setLevel(logging.INFO)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        absl_logging.set_verbosity(verbosity)
