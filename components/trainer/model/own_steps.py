"""What a user's model class has replaced of Keras's training loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tf_keras as keras

from hilir.components.errors import ModelPackageError

STEPS = ("train_step", "test_step", "compute_loss", "compute_metrics", "get_metrics_result")
"""The methods that a subclass of keras.Model may give its own way."""


def replaced(model: keras.Model, *names: str) -> list[str]:
    """Returns those of the methods that are not Keras's own, of STEPS if none are named."""
    return [name for name in names or STEPS if getattr(type(model), name) is not getattr(keras.Model, name)]


@contextmanager
def unpacked(model: keras.Model, *, replicas: bool) -> Iterator[None]:
    """Explains why a step of the user's own cannot unpack its batches, which have weights with several replicas.

    Raises:
        ModelPackageError: the block raised the ValueError of such a step.
    """
    try:
        yield
    except ValueError as error:
        own = replaced(model, "train_step", "test_step")
        if not replicas or not own or "too many values to unpack" not in str(error):
            raise
        raise ModelPackageError(
            f"the {' and '.join(own)} of the model '{model.name}' cannot unpack a batch: with several "
            f"replicas it has weights, which mark padding; write x, y, weight = "
            f"keras.utils.unpack_x_y_sample_weight(data) and pass the weight on"
        ) from error
