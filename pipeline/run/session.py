"""One run of a pipeline on this machine, local or emulated: folder, log, view, summary."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Protocol, TextIO

from hilir.components.cause import describe, find_cause, find_user_folders
from hilir.components.errors import UserCodeError
from hilir.components.staging import write_file
from hilir.components.tensorflow_environment import prepare_environment
from hilir.pipeline.errors import ConfigError, Interrupted, StepFailed
from hilir.pipeline.report.board import Board
from hilir.pipeline.report.collector import Subject
from hilir.pipeline.report.output_capture import reserved
from hilir.pipeline.report.page import NAME as REPORT
from hilir.pipeline.report.run_records import RunRecord
from hilir.pipeline.report.summary import Summary, summarize
from hilir.pipeline.report.views import view
from hilir.pipeline.run.reporter import Reporter


class Execution(Protocol):
    """A pipeline that a session runs."""

    def prepare(self, folder: Path, screen: TextIO) -> Board:
        """Loads what it needs and prints what the user should know; returns the board with its steps."""

    def run(self, board: Board, folder: Path) -> None:
        """Runs the steps and reports their states to the board.

        Raises:
            StepFailed: a step stopped the run.
        """

    def record(self, run_id: str) -> RunRecord | None:
        """Returns what its store has of the run."""


@dataclass(frozen=True)
class Session:
    """Where a run is kept, and what the user typed.

    Attributes:
        runs: the folder of the runs' folders.
        name: the pipeline's name, with which the run's name begins.
        source: file name and content of what is run, kept in the run's folder.
        subject: model, command that starts it again, and configuration, for the report.
        package: import path of the model package, where it is known.
    """

    runs: Path
    name: str
    source: tuple[str, str]
    subject: Subject
    package: str = ""


def run_session(session: Session, execution: Execution, finished: Callable[[Summary], None]) -> str:
    """Runs a pipeline and returns its status: `succeeded` or `not_blessed`.

    `finished` gets the summary, also that of a failed run, when the screen is free again.

    Raises:
        ConfigError: what is to be run points to something wrong; no step was started.
        StepFailed: a step stopped the run.
        Interrupted: the user or SIGTERM stopped it.
    """
    prepare_environment()
    summaries: list[Summary] = []
    with stopped_by_sigterm():
        folder = make_run_folder(session.runs, session.name)
        name, content = session.source
        (folder / name).write_text(content, encoding="utf-8")
        try:
            with reserved(folder / "log.txt") as screen:
                _run(session, execution, folder, screen, summaries)
        finally:
            for summary in summaries:
                finished(summary)
    return summaries[-1].status


def _run(session: Session, execution: Execution, folder: Path, screen: TextIO, summaries: list[Summary]) -> None:
    board = Board(folder.name, [])
    reporter = Reporter(session.subject, folder, lambda: execution.record(folder.name) if board.nodes else None)

    def finish(status: str, *reasons: str) -> None:
        record = execution.record(folder.name) if board.nodes else None
        summary = summarize(board, record, status, list(reasons))
        if reporter.finish(board, summary.status, reasons=summary.reasons):
            summary = replace(summary, report=str(folder / REPORT))
        else:
            warning = f"the report could not be written to its end; {folder / 'log.txt'} says why"
            summary = replace(summary, warnings=[*summary.warnings, warning])
        summaries.append(summary)
        write_summary(summaries[-1], folder)
        reporter.close(summary.status)

    try:
        board = execution.prepare(folder, screen)
        reporter.follow(board)
        with view(board, screen):
            execution.run(board, folder)
        finish("succeeded")
    except Exception as error:
        # The screen shows one sentence; whoever looks into the log finds where it came from. The disk may be full.
        with suppress(OSError):
            traceback.print_exc()
        shown = _explain(error, session.package, folder / "log.txt")
        with suppress(OSError):
            finish("failed", str(shown) or type(shown).__name__)
        if shown is error:
            raise
        raise shown from error
    except KeyboardInterrupt:
        step = board.running()
        place = f" in {step}" if step else ""
        message = (
            f"interrupted{place}; finished steps are kept, '{session.subject.command}' continues where this run stopped"
        )
        if step:
            board.finish(step, "failed")
        finish("interrupted", message)
        raise Interrupted(message) from None


def _explain(error: Exception, package: str, log: Path) -> Exception:
    """Returns what to raise for an error: that of the user's code names its line, and the log with its traceback."""
    if isinstance(error, StepFailed):
        return error
    cause = find_cause(error, find_user_folders(package))
    if isinstance(error, UserCodeError) or (cause.place is not None and not isinstance(error, ConfigError)):
        return UserCodeError(describe(cause, log))
    return error


def write_summary(summary: Summary, folder: Path) -> None:
    """Puts the summary into the run's folder, complete when it is there, and the plots of its evaluation next to it."""
    import orjson

    if summary.plots:
        write_file(folder / "plots.json", orjson.dumps(summary.plots))
    write_file(folder / "summary.json", orjson.dumps(summary.as_dict(), option=orjson.OPT_INDENT_2))


def make_run_folder(runs: Path, name: str) -> Path:
    """Makes and returns a new folder `<name>-<UTC time>`; its name is the run's id."""
    stamp = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for suffix in ["", *(f"-{number}" for number in range(2, 1000))]:
        folder = runs / f"{stamp}{suffix}"
        try:
            runs.mkdir(parents=True, exist_ok=True)
            # Logs and configurations are the operator's: they may hold rows of the data, and names of secrets.
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{runs}: a thousand runs began in this second")


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Makes SIGTERM end a run as Ctrl-C does."""

    def stop(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
