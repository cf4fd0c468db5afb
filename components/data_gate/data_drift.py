"""Drift of the data against the reference that the last version carries."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tfx import types
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from hilir.analysis.drift import FeatureDrift, Level, compare, count_window
from hilir.analysis.reference import FeatureReference, NumberReference, from_json
from hilir.components.data_gate.last_push import find_file
from hilir.components.examples import TRAINING_ROWS, is_category, present_values, read_columns, read_records

_REFERENCE = "reference.json"


@dataclass(frozen=True)
class Finding:
    """A feature that drifted: its level (`seen`, `warn`, `alarm`), the size in bits, and in what way."""

    feature: str
    level: str
    size: float
    what: str
    detail: str

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"feature '{self.feature}': {self.level}: {self.what} differs by {self.size:.2f} bits{detail}"


def find_drift(
    push: types.Artifact | None, examples: types.Artifact, split: str, unread: Container[str] = ()
) -> list[Finding] | None:
    """Returns the features of the split that drifted since the push, the worst first; not the `unread` ones.

    None where there is no push, or its version has no reference.

    Raises:
        ReferenceDamaged: the version's reference cannot be read.
    """
    path = find_file(push, _REFERENCE)
    if path is None:
        return None
    with fileio.open(path, "rb") as file:
        reference = from_json(file.read())
    pattern = os.path.join(artifact_utils.get_split_uri([examples], split), "*")
    columns = read_columns(read_records([pattern], TRAINING_ROWS))
    references = {name: each for name, each in reference.features.items() if name not in unread}
    return [_describe(drift) for drift in compare_columns(references, columns) if drift.level > Level.NONE]


def compare_columns(references: Mapping[str, FeatureReference], columns: Mapping[str, Any]) -> list[FeatureDrift]:
    """Returns the drift of each feature of the reference; one that is gone has no value in any row.

    A column of another type than before is left to the schema.
    """
    rows = max((len(column) for column in columns.values()), default=0)
    windows = {}
    for name, reference in references.items():
        if name not in columns:
            windows[name] = count_window(reference, [], rows, rows)
        elif is_category(columns[name]) != isinstance(reference, NumberReference):
            values, missing = present_values(columns[name])
            windows[name] = count_window(reference, values, rows, missing)
    return compare(references, windows)


def _describe(drift: FeatureDrift) -> Finding:
    worst = drift.differences[0]
    what = {"missing": "share of missing values", "new": "share of new values", "lost": "values that are gone"}
    detail = worst.detail
    if worst.what == "distribution" and isinstance(drift.window, NumberReference) and drift.window.low is not None:
        detail = f"now {drift.window.low:g} to {drift.window.high:g}"
    return Finding(
        drift.feature,
        drift.level.name.lower(),
        float(np.round(worst.size, 4)),
        what.get(worst.what, worst.what),
        detail,
    )
