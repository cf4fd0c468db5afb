"""Runs small specifications in a folder of the test's own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hilir.pipeline.emulator import emulation
from hilir.pipeline.emulator.artifact_store import Store
from hilir.pipeline.emulator.buckets import Mount
from hilir.pipeline.emulator.preparation import make_plan
from hilir.pipeline.errors import StepFailed
from hilir.pipeline.report.board import Board


@dataclass
class Outcome:
    """How an emulation ended: states by step, what steps made, the error, and the folder of the logs."""

    board: Board
    folder: Path
    error: str = ""
    steps: dict[str, Any] = field(default_factory=dict)

    @property
    def states(self) -> dict[str, str]:
        return {name: node.state for name, node in self.board.nodes.items()}

    def log(self, step: str) -> str:
        return (self.folder / "logs" / f"{step}.log").read_text()

    def said(self, step: str) -> list[str]:
        return [line for line in self.log(step).splitlines() if not line.startswith("--- ")]


@dataclass
class Emulator:
    """Emulates jobs one after the other, with one store."""

    folder: Path
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __call__(
        self,
        job: dict[str, Any],
        *parameters: str,
        mounts: tuple[Mount, ...] = (),
        options: emulation.Options = emulation.Options(parallel=4),  # noqa: B008 - frozen
    ) -> Outcome:
        parsed = make_plan(job, parameters, mounts, self.folder)
        board = emulation.make_board(f"{parsed.name}-{next(self.numbers)}", parsed)
        outcome = Outcome(board, self.folder / "runs" / board.run_id)
        try:
            store = Store(self.folder / "metadata.sqlite")
            emulation.run(parsed, board, outcome.folder, store, options)
            made = emulation.read_record(store, board.run_id)
        except StepFailed as error:
            outcome.error = str(error)
        else:
            outcome.steps = {step.node: step for step in made.steps}
        return outcome


@pytest.fixture
def emulate(tmp_path: Path) -> Emulator:
    """Returns a function that emulates a job."""
    return Emulator(tmp_path)
