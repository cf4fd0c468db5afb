"""What a candidate was compared with, kept next to its metrics."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from tfx.dsl.io import fileio

_NAME = "comparison.json"


@dataclass(frozen=True)
class Comparison:
    """What the candidate was compared with.

    - `baseline`: the URI of the baseline, None where there was none;
    - `skipped`: why it was not compared with, None where it was;
    - `unchecked`: the `change` thresholds that nothing could be compared for, `metric over slice`.
    """

    baseline: str | None = None
    skipped: str | None = None
    unchecked: tuple[str, ...] = ()


def write_comparison(uri: str, comparison: Comparison) -> None:
    """Writes it into the evaluation at `uri`."""
    with fileio.open(os.path.join(uri, _NAME), "w") as file:
        file.write(json.dumps(asdict(comparison)) + "\n")


def read_comparison(uri: str) -> Comparison:
    """Returns what `write_comparison` wrote into the evaluation at `uri`."""
    with fileio.open(os.path.join(uri, _NAME), "r") as file:
        found = json.load(file)
    return Comparison(found["baseline"], found["skipped"], tuple(found["unchecked"]))
