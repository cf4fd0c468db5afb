"""An emulated run of a compiled pipeline, from a specification to its summary."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hilir.pipeline.config.project import enter_project
from hilir.pipeline.report.board import Board
from hilir.pipeline.report.collector import Subject
from hilir.pipeline.report.run_records import RunRecord
from hilir.pipeline.report.summary import Summary
from hilir.pipeline.run.session import Session, run_session

if TYPE_CHECKING:
    from hilir.pipeline.spec.specification import Specification


@dataclass(frozen=True)
class Options:
    """What the command line says; `command` is what starts the run again."""

    path: str
    command: str
    parameters: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()
    workdir: str = "out/emulation"
    fast: bool = False
    cache: bool = True
    parallel: int | None = None


def rehearse(options: Options, finished: Callable[[Summary], None]) -> str:
    """Runs the compiled pipeline and returns the status: `succeeded` or `not_blessed`.

    `finished` gets the summary, also that of a failed run.

    Raises:
        ConfigError: the specification is faulty or has a feature that is not emulated; nothing was started.
        StepFailed: a step failed.
        Interrupted: the user or SIGTERM stopped it.
    """
    from hilir.pipeline.emulator.buckets import check_folders, read_mappings
    from hilir.pipeline.emulator.preparation import make_plan
    from hilir.pipeline.spec.specification import parse, read

    workdir = Path(options.workdir)
    job = read(Path(options.path))
    enter_project()
    mounts = read_mappings(options.mappings)
    parsed = make_plan(job, options.parameters, mounts, workdir)
    check_folders(mounts, parse(job).output_directory)
    source = ("specification.json", json.dumps(job, indent=2))
    session = Session(workdir / "runs", parsed.name, source, Subject(parsed.name, options.command))
    return run_session(session, _Rehearsal(parsed, options), finished)


class _Rehearsal:
    """A plan that the emulator runs."""

    def __init__(self, parsed: Specification, options: Options) -> None:
        from hilir.pipeline.emulator.artifact_store import Store

        self._parsed, self._options = parsed, options
        self._store = Store(Path(options.workdir) / "metadata.sqlite")

    def prepare(self, folder: Path, screen: TextIO) -> Board:
        from hilir.pipeline.emulator.emulation import make_board
        from hilir.pipeline.emulator.preparation import notes

        lines = [f"run {folder.name} of {self._options.path} (logs: {folder / 'logs'})", *notes(self._parsed)]
        print("\n".join(lines), file=screen, flush=True)
        return make_board(folder.name, self._parsed)

    def run(self, board: Board, folder: Path) -> None:
        from hilir.pipeline.emulator import emulation

        options = emulation.Options(self._options.fast, self._options.cache, self._options.parallel)
        emulation.run(self._parsed, board, folder, self._store, options)

    def record(self, run_id: str) -> RunRecord | None:
        from hilir.pipeline.emulator.emulation import read_record

        return read_record(self._store, run_id)
