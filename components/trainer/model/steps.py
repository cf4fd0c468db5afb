"""What a user's model class has replaced of Keras's training loop."""

from __future__ import annotations

import tf_keras as keras

STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics", "get_metrics_result")
"""The methods that a subclass of keras.Model may give its own way."""


def replaced(model: keras.Model, *names: str) -> list[str]:
    """Returns those of the methods that are not Keras's own, of STEPS if none are named."""
    return [name for name in names or STEPS if getattr(type(model), name) is not getattr(keras.Model, name)]
