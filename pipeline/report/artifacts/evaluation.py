"""Reads what the Evaluator wrote; imports TFMA, and with it TensorFlow."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any


def read_evaluation(uri: str) -> dict[str, Any]:
    """Returns an evaluation.

    `metrics` and `baseline` by slice, all rows (`overall`) first; `reasons` not to bless; `comparison`; and `plots`
    over all rows.
    """
    from hilir.components.evaluator.comparison import read_comparison
    from hilir.components.evaluator.plots import read_plots
    from hilir.components.evaluator.results import read_baseline, read_metrics, read_reasons

    return {
        "metrics": _in_order(read_metrics(uri)),
        "baseline": _in_order(read_baseline(uri)),
        "reasons": read_reasons(uri),
        "comparison": asdict(read_comparison(uri)),
        "plots": read_plots(uri),
    }


def _in_order(metrics: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Returns the slices as a person would sort them: `hour=9` before `hour=10`."""

    def place(name: str) -> tuple[bool, list[tuple[bool, int, str]]]:
        parts = re.split(r"(\d+)", name)
        return name != "overall", [(part.isdecimal(), len(part) if part.isdecimal() else 0, part) for part in parts]

    return {name: metrics[name] for name in sorted(metrics, key=place)}
