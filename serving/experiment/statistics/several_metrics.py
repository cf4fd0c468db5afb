"""Several metrics in one experiment: Holm's correction, valid for always-valid p at any time, under any dependence."""

from __future__ import annotations

from collections.abc import Mapping


def adjust_p(values: Mapping[str, float]) -> dict[str, float]:
    """Returns each metric's p corrected for the number of metrics (Holm 1979)."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for place, (name, p) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, p * (len(values) - place)))
        corrected[name] = largest
    return {name: corrected[name] for name in values}
