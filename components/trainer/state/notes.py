"""What the training noticed of its data, next to its logs, for the summary of the run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from tfx.dsl.io import fileio

NAME = "notes.json"


def write_notes(run_dir: str, notes: Sequence[str]) -> None:
    """Writes the sentences into the Trainer's `model_run` artifact."""
    fileio.makedirs(run_dir)
    with fileio.open(os.path.join(run_dir, NAME), "w") as file:
        file.write(json.dumps(list(notes), ensure_ascii=False))


def read_notes(run_dir: str) -> list[str]:
    """Returns the sentences of the training that wrote to this folder, none where it did not come to its end."""
    path = os.path.join(run_dir, NAME)
    if not fileio.exists(path):
        return []
    with fileio.open(path, "r") as file:
        notes: list[str] = json.load(file)
    return notes
