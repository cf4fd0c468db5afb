"""Reads what a search found."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from tfx.dsl.io import fileio

from hilir.components.trainer.training_job import read_tuned


@dataclass(frozen=True)
class Found:
    """The best values, their score, and every trial (its values and `score`), the best first."""

    values: dict[str, Any]
    score: float
    trials: tuple[dict[str, Any], ...]


def read_found(best_uri: str, results_uri: str) -> Found:
    """Returns what the Tuner's artifacts `best_hyperparameters` and `tuner_results` say."""
    with fileio.open(os.path.join(best_uri, "best_hyperparameters.txt")) as file:
        values = read_tuned(json.loads(file.read())) or {}
    with fileio.open(os.path.join(results_uri, "tuner_results.json")) as file:
        rows = json.loads(file.read())
    trials = tuple(
        {"score": row["score"]}
        | (read_tuned({"values": {k: v for k, v in row.items() if k not in ("score", "trial_id")}}) or {})
        for row in rows
    )
    return Found(values, float(rows[0]["score"]), trials)
