"""Where the true value of a metric is, by the number of rows that it was computed on."""

from __future__ import annotations

import math

_Z = 1.959964  # of 95 %


def share_interval(share: float, rows: float) -> tuple[float, float]:
    """Returns the 95 % interval of a share of independent rows (Wilson 1927, JASA 22: 209)."""
    if rows <= 0 or not 0 <= share <= 1:
        return share, share
    centre = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z / (1 + _Z**2 / rows) * math.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def auc_interval(auc: float, positives: float, negatives: float) -> tuple[float, float]:
    """Returns the 95 % interval of the area under a ROC curve (Hanley and McNeil 1982, Radiology 143: 29)."""
    if positives < 1 or negatives < 1 or not 0 <= auc <= 1:
        return auc, auc
    among_positives, among_negatives = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc) + (positives - 1) * (among_positives - auc**2) + (negatives - 1) * (among_negatives - auc**2)
    ) / (positives * negatives)
    half = _Z * math.sqrt(max(variance, 0.0))
    return max(auc - half, 0.0), min(auc + half, 1.0)
