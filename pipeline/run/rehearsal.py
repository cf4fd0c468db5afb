"""One emulated run from a specification to its summary: folder, screen, emulator."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hilir.pipeline.config.project import enter_project
from hilir.pipeline.errors import Interrupted, StepFailed
from hilir.pipeline.report.board import Board
from hilir.pipeline.report.output_capture import reserved
from hilir.pipeline.report.summary import Summary, summarize
from hilir.pipeline.report.views import view
from hilir.pipeline.run.session import make_run_folder, stoppable, write_summary

if TYPE_CHECKING:
    from hilir.pipeline.report.records import RunRecord
    from hilir.pipeline.spec.specification import Specification


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    path: str
    parameters: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()
    workdir: str = "out/emulation"
    fast: bool = False
    cache: bool = True
    parallel: int | None = None
    quiet: bool = False


def rehearse(options: Options, finished: Callable[[Summary], None]) -> None:
    """Runs the compiled pipeline; `finished` gets the summary, also that of a failed run.

    Raises:
        ConfigError: the specification is faulty or has a feature that is not emulated; nothing was started.
        StepFailed: a step failed.
        Interrupted: the user or SIGTERM stopped it.
    """
    from hilir.pipeline.emulator.buckets import check_folders, read_mappings
    from hilir.pipeline.emulator.plan import make_plan
    from hilir.pipeline.spec.specification import parse, read

    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    workdir = Path(options.workdir)
    job = read(Path(options.path))
    enter_project()
    mounts = read_mappings(options.mappings)
    parsed = make_plan(job, options.parameters, mounts, workdir)
    check_folders(mounts, parse(job).output_directory)
    with stoppable():
        folder = make_run_folder(workdir / "runs", parsed.name)
        (folder / "specification.json").write_text(json.dumps(job, indent=2), encoding="utf-8")
        with reserved(folder / "log.txt") as screen:
            _run(parsed, options, folder, screen, finished)


def _run(
    parsed: Specification, options: Options, folder: Path, screen: TextIO, finished: Callable[[Summary], None]
) -> None:
    from hilir.pipeline.emulator import run
    from hilir.pipeline.emulator.plan import notes
    from hilir.pipeline.emulator.store import Store

    board = run.make_board(folder.name, parsed)
    out = open(os.devnull, "w", encoding="utf-8") if options.quiet else screen  # noqa: SIM115 - closed at exit
    print(f"run {folder.name} of {options.path} (logs: {folder / 'logs'})", file=out, flush=True)
    for note in notes(parsed):
        print(note, file=out, flush=True)
    try:
        with view(board, out):
            store = Store(Path(options.workdir) / "metadata.sqlite")
            made = run.run(parsed, board, folder, store, run.Options(options.fast, options.cache, options.parallel))
        _finish(board, made, folder, "succeeded", [], finished)
    except StepFailed as error:
        _finish(board, None, folder, "failed", [str(error)], finished)
        raise
    except KeyboardInterrupt:
        message = f"interrupted; finished steps are kept, 'hilir emulate {options.path}' goes on where this run stopped"
        _finish(board, None, folder, "interrupted", [message], finished)
        raise Interrupted(message) from None


def _finish(
    board: Board,
    run: RunRecord | None,
    folder: Path,
    status: str,
    reasons: list[str],
    finished: Callable[[Summary], None],
) -> None:
    summary = summarize(board, run, status, reasons)
    write_summary(summary, folder)
    finished(summary)
