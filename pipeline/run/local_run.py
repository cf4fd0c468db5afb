"""A run on this machine by TFX's local runner, from a checked configuration to its summary."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hilir.pipeline.config import LoadedConfig
from hilir.pipeline.config.nodes import check_name, list_nodes
from hilir.pipeline.engine.beam_options import list_run_options
from hilir.pipeline.errors import ConfigError, Interrupted
from hilir.pipeline.report.board import Board
from hilir.pipeline.report.collector import Subject
from hilir.pipeline.report.run_notices import notify_run
from hilir.pipeline.report.run_records import RunRecord
from hilir.pipeline.report.summary import Summary
from hilir.pipeline.run.checks import require, require_all
from hilir.pipeline.run.leftovers import close_open_executions, own_temporary_folder
from hilir.pipeline.run.ownership import claim, require_own
from hilir.pipeline.run.package_check import check_sources
from hilir.pipeline.run.process_lock import ProcessLock
from hilir.pipeline.run.session import Session, run_session

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline


_COLLECT_AFTER = 50_000


@dataclass(frozen=True)
class Options:
    """What the command line adds to the configuration.

    `command` is what to type again, `first` and `last` are the nodes of --from and --to, `uncached` those that run also
    if nothing changed; `check` means the preflight only, on a sample of the data.
    """

    command: str
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    cache: bool = True
    uncached: tuple[str, ...] = ()
    check: bool = False


def run_locally(loaded: LoadedConfig, options: Options, finished: Callable[[Summary], None]) -> str:
    """Runs the pipeline of the configuration and returns the status: `succeeded` or `not_blessed`.

    `finished` gets the summary, also that of a failed run.

    Raises:
        ConfigError: the configuration points to something wrong, or there is no such node; nothing was started.
        StepFailed: a step stopped the run.
        Interrupted: the user or SIGTERM stopped it.
    """
    config = loaded.config
    require(config)
    require_all(check_sources(config))
    require_nodes(loaded, options)
    require_own(loaded)
    name = check_name(config) if options.check else config.model.name
    root = Path(config.pipeline.root) / name
    root.parent.mkdir(parents=True, exist_ok=True)
    # Rows of the data are below it.
    root.mkdir(mode=0o700, exist_ok=True)
    runs = Path(config.pipeline.runs)
    subject = Subject(name, options.command, loaded.values, tuple(loaded.origins()))

    def end(summary: Summary) -> None:
        finished(summary)
        if not options.check:
            notify_run(config.notify, config.model.name, summary)

    session = Session(runs, name, ("config.yaml", loaded.text), subject, config.model.package)
    with _alone(root), own_temporary_folder(root):
        claim(loaded)
        try:
            with ExitStack() as workers:
                return run_session(session, _LocalRun(loaded, options, root, workers), end)
        finally:
            claim(loaded)


def require_nodes(loaded: LoadedConfig, options: Options) -> None:
    """Raises ConfigError if an option or pipeline.cache names a node that the pipeline does not have."""
    nodes = list_nodes(loaded.config)
    faults = [
        f"{option} {name}: there is no such node; the nodes are {', '.join(nodes)}"
        for option, names in (
            ("--from", options.first),
            ("--to", options.last),
            ("--no-cache", options.uncached),
            ("pipeline.cache:", loaded.config.pipeline.list_uncached()),
        )
        for name in names
        if name not in nodes
    ]
    if faults:
        raise ConfigError(faults)


class _LocalRun:
    """The pipeline of a configuration; TensorFlow and TFX are imported when it is prepared."""

    def __init__(self, loaded: LoadedConfig, options: Options, root: Path, workers: ExitStack) -> None:
        """`root`: the pipeline's folder, with its metadata store; `workers`: ended with the run."""
        self._loaded, self._options, self._root, self._workers = loaded, options, root, workers
        self._pipeline: Pipeline | None = None

    def prepare(self, folder: Path, screen: TextIO) -> Board:
        print(f"run {folder.name}: loading TensorFlow and TFX (log: {folder / 'log.txt'})", file=screen, flush=True)
        with _collected_rarely():
            from hilir.components.beam_graphs import remember_answers
            from hilir.components.trainer.distribution.gpu_memory import set_gpu_memory
            from hilir.pipeline.graph import Platform, build, build_check
            from hilir.pipeline.inputs import describe_origin, find_inputs, generate_data
            from hilir.pipeline.run.metadata_store import connection

            remember_answers()
            config = self._loaded.config
            if config.beam.runner == "multiprocess":
                from hilir.components.processes.beam_workers import forked_from_here

                # Before the user's code runs, which may start threads or TensorFlow.
                self._workers.enter_context(forked_from_here())
            if closed := close_open_executions(self._root):
                steps = "1 step of a killed run was" if closed == 1 else f"{closed} steps of a killed run were"
                print(f"note: {steps} closed, and what was left removed", file=screen)
            set_gpu_memory(config.train.gpu_memory)
            generate_data(config)
            options = list_run_options(config)
            platform = Platform(connection(str(self._root)), own_resolvers=True, beam_options=options)
            inputs = find_inputs(config)
            print("".join(f"note: {note}\n" for note in inputs.notes), end="", file=screen, flush=True)
            make = build_check if self._options.check else build
            self._pipeline = make(config, inputs, platform, cache=self._options.cache)
        components = self._pipeline.components
        edges = [(node.id, component.id) for component in components for node in component.upstream_nodes]
        board = Board(folder.name, [component.id for component in components], sorted(edges))
        board.about |= describe_origin(inputs)
        return board

    def run(self, board: Board, folder: Path) -> None:
        from hilir.pipeline.run import local_runner

        uncached = (*self._options.uncached, *self._loaded.config.pipeline.list_uncached())
        selection = local_runner.Selection(self._options.first, self._options.last, uncached)
        package = self._loaded.config.model.package
        try:
            local_runner.run(self._pipeline, folder.name, board, selection, folder / "log.txt", package)
        except BaseException:
            # TFX leaves a step open whose driver failed. The error counts, not that the store may be full as well.
            with suppress(Exception):
                close_open_executions(self._root)
            raise

    def record(self, run_id: str) -> RunRecord | None:
        from hilir.pipeline.run.metadata_store import RunStore, connection

        return RunStore(connection(str(self._root))).find_run(run_id)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Holds the pipeline's metadata store; a second run waits for the first and says so."""
    lock = ProcessLock(root, ".run")
    if not lock.acquire(0):
        print(
            f"hilir: another run (process {lock.holder}) uses {root}; waiting until it ends (Ctrl-C: do not wait)",
            file=sys.stderr,
            flush=True,
        )
        try:
            lock.acquire(-1)
        except KeyboardInterrupt:
            raise Interrupted(f"did not wait for the run that uses {root}; nothing was started") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _collected_rarely() -> Iterator[None]:
    """Keeps Python's cycle collector off while the packages are imported, and rare afterwards.

    The imports make a million objects that live as long as the process; looking through them again and again takes
    a third of the start, and Beam's graphs do the same to it later.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, 20, 100)
        gc.enable()
