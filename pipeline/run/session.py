"""One local run from a checked configuration to its summary: lock, folder, screen, runner."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from filelock import FileLock, Timeout

from hilir.pipeline.config import LoadedConfig
from hilir.pipeline.errors import Interrupted, StepFailed
from hilir.pipeline.report.board import Board
from hilir.pipeline.report.output_capture import reserved
from hilir.pipeline.report.summary import Summary, summarize
from hilir.pipeline.report.views import view
from hilir.pipeline.run.checks import require

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline


_COLLECT_AFTER = 50_000


@dataclass(frozen=True)
class Options:
    """What the command line adds to the configuration."""

    shown: str
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    cache: bool = True
    quiet: bool = False


def run_locally(loaded: LoadedConfig, options: Options, finished: Callable[[Summary], None]) -> None:
    """Runs the pipeline of the configuration; `finished` gets the summary, also that of a failed run.

    Raises:
        ConfigError: the configuration points to something wrong; nothing was started.
        StepFailed: a step stopped the run.
        Interrupted: the user or SIGTERM stopped it.
    """
    config = loaded.config
    require(config)
    _prepare_environment()
    root = Path(config.pipeline.root) / config.model.name
    root.mkdir(parents=True, exist_ok=True)
    summaries: list[Summary] = []
    with _alone(root), stoppable():
        folder = make_run_folder(Path(config.pipeline.runs), config.model.name)
        (folder / "config.yaml").write_text(loaded.text, encoding="utf-8")
        try:
            with reserved(folder / "log.txt") as screen:
                _run(loaded, options, root, folder, screen, summaries.append)
        finally:
            for summary in summaries:
                finished(summary)


def _run(
    loaded: LoadedConfig,
    options: Options,
    root: Path,
    folder: Path,
    screen: TextIO,
    note: Callable[[Summary], None],
) -> None:
    board = Board(folder.name, [])
    out = open(os.devnull, "w", encoding="utf-8") if options.quiet else screen  # noqa: SIM115 - closed at exit
    try:
        print(f"run {folder.name}: loading TensorFlow and TFX (log: {folder / 'log.txt'})", file=out, flush=True)
        with _collected_rarely():
            pipeline = _build(loaded, options, root)
            from hilir.pipeline.run import local

        board = Board(folder.name, [component.id for component in pipeline.components])
        with view(board, out):
            selection = local.Selection(options.first, options.last)
            local.run(pipeline, folder.name, board, selection, folder / "log.txt")
        _finish(board, root, folder, "succeeded", [], note)
    except StepFailed as error:
        _finish(board, root, folder, "failed", [str(error)], note)
        raise
    except KeyboardInterrupt:
        node = board.running()
        place = f" in {node}" if node else ""
        message = (
            f"interrupted{place}; finished steps are kept, 'hilir run {options.shown}' goes on where this run stopped"
        )
        if node:
            board.finish(node, "failed")
        _finish(board, root, folder, "interrupted", [message], note)
        raise Interrupted(message) from None


def _build(loaded: LoadedConfig, options: Options, root: Path) -> Pipeline:
    from hilir.pipeline.graph import build
    from hilir.pipeline.inputs import find_facts, generate_data
    from hilir.pipeline.run.metadata_store import connection

    generate_data(loaded.config)
    return build(loaded.config, find_facts(loaded.config), connection(str(root)), cache=options.cache)


def _finish(
    board: Board, root: Path, folder: Path, status: str, reasons: list[str], note: Callable[[Summary], None]
) -> None:
    from hilir.pipeline.run.metadata_store import RunStore, connection

    run = RunStore(connection(str(root))).find_run(board.run_id) if board.nodes else None
    summary = summarize(board, run, status, reasons)
    write_summary(summary, folder)
    note(summary)


def write_summary(summary: Summary, folder: Path) -> None:
    """Puts the summary into the run's folder, complete when it is there, and the plots of its evaluation next to it."""
    import orjson

    if summary.plots:
        (folder / "plots.json").write_bytes(orjson.dumps(summary.plots))
    beside = folder / ".summary.json"
    beside.write_bytes(orjson.dumps(summary.as_dict(), option=orjson.OPT_INDENT_2))
    beside.rename(folder / "summary.json")


def make_run_folder(runs: Path, name: str) -> Path:
    """Makes and returns a new folder `<name>-<UTC time>`; its name is the run's id."""
    stamp = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for suffix in ["", *(f"-{number}" for number in range(2, 1000))]:
        folder = runs / f"{stamp}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{runs}: a thousand runs began in this second")


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Holds the pipeline's metadata store; a second run waits for the first and says so."""
    import sys

    lock = FileLock(root / ".run.lock")
    holder = root / ".run.pid"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        pid = holder.read_text(encoding="utf-8").strip() if holder.exists() else "unknown"
        print(
            f"hilir: another run (process {pid}) uses {root}; waiting until it ends (Ctrl-C: do not wait)",
            file=sys.stderr,
            flush=True,
        )
        try:
            lock.acquire()
        except KeyboardInterrupt:
            raise Interrupted(f"did not wait for the run that uses {root}; nothing was started") from None
    try:
        holder.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        lock.release()


@contextmanager
def stoppable() -> Iterator[None]:
    """Makes SIGTERM end a run as Ctrl-C does."""

    def stop(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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


def _prepare_environment() -> None:
    """Sets what TensorFlow reads when it is imported, before anything imports it."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
