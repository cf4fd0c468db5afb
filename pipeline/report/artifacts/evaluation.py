"""Reads what the Evaluator wrote; imports TFMA, and with it TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hilir.analysis.measures import sort_slices


def read_evaluation(uri: str, slices: Sequence[str] = ()) -> dict[str, Any]:
    """Returns an evaluation.

    `weighted` is whether rows count by a weight.

    `metrics` and `baseline` by slice, all rows (`overall`) first; `reasons` not to bless; `comparison`; `plots`
    over all rows, and `slice_plots` of those of the named slices that have some.
    """
    from hilir.components.evaluator.comparison import read_comparison
    from hilir.components.evaluator.plots import read_plots
    from hilir.components.evaluator.results import is_weighted, read_baseline, read_metrics, read_reasons

    return {
        "metrics": sort_slices(read_metrics(uri)),
        "baseline": sort_slices(read_baseline(uri)),
        "reasons": read_reasons(uri),
        "comparison": asdict(read_comparison(uri)),
        "plots": read_plots(uri),
        "slice_plots": {name: found for name in slices if (found := read_plots(uri, name))},
        "weighted": is_weighted(uri),
    }
