"""String labels, weights, missing labels and NaN, through the trainer's own code: the values are those of NumPy."""

from __future__ import annotations

