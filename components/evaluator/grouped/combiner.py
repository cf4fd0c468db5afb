"""What a metric that is computed over batches offers, next to TFMA's combiner that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hilir.components.evaluator.grouped.columns import Batch

Accumulator = Any
"""Whatever the combiner adds up; it can be pickled."""


class Combiner(Protocol):
    """Adds up the rows of each slice."""

    def summarize(self, batch: Batch, slices: Sequence[np.ndarray]) -> list[Accumulator]:
        """Returns an accumulator for each slice, given by the numbers of its rows."""
        ...

    def merge(self, parts: Sequence[Accumulator]) -> Accumulator:
        """Returns the sum of at least one accumulator."""
        ...

    def extract(self, accumulator: Accumulator) -> dict[Any, Any]:
        """Returns what TFMA's combiner returns as its output."""
        ...
