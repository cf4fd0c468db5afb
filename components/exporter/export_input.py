"""What is exported."""

from __future__ import annotations

from dataclasses import dataclass

from hilir.components.exporter.example_rows import Rows
from hilir.components.exporter.parity import MetricSpec


@dataclass(frozen=True)
class Subject:
    """What is exported: the model's name and SavedModel, its labels, and the examples and the metric that verify it."""

    model: str
    saved_model: str
    rows: Rows
    metric: MetricSpec
    labels: tuple[str, ...] = ()
