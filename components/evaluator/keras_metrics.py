"""Keras' own form of the metrics that TFMA has too and computes wrongly over several bundles of rows.

`merge_accumulators` in TFMA's mean_regression_error.py takes `next(iter(accumulators))` and then loops over all of
them, so that the first bundle counts twice. TFMA goes by the class name, hence the names.
"""

from __future__ import annotations

import tf_keras as keras


class KerasMeanAbsoluteError(keras.metrics.MeanAbsoluteError):
    """Mean of |label - prediction|."""


class KerasMeanAbsolutePercentageError(keras.metrics.MeanAbsolutePercentageError):
    """Mean of 100 · |label - prediction| / |label|."""


class KerasMeanSquaredError(keras.metrics.MeanSquaredError):
    """Mean of (label - prediction)²."""


class KerasMeanSquaredLogarithmicError(keras.metrics.MeanSquaredLogarithmicError):
    """Mean of (log(label + 1) - log(prediction + 1))²."""
