"""A warm start with other classes: the weights of those that both networks know are taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.trainer.network import list_variables

Classes = Mapping[str, Sequence[str]]


def copy_known_classes(source: keras.Model, target: keras.Model, before: Classes, after: Classes) -> None:
    """Gives `target` the weights of `source`, and along the axis of the classes those that both have.

    What belongs to a new class stays as it was initialised.

    Args:
        source: the network for the classes `before`.
        target: the network for the classes `after`, of the same package.
        before: names of the classes by label.
        after: the same.

    Raises:
        TrainingError: the networks differ in more than the number of classes.
    """
    known, wanted = list_variables(source), list_variables(target)
    if len(known) != len(wanted):
        raise TrainingError(
            "the base model has another number of weights than the network; "
            "train from scratch once with train.warm_start=never"
        )
    for old, new in zip(known, wanted, strict=True):
        value = new.numpy()
        new.assign(_merge(new.name, old.numpy(), value, before, after))


def _merge(name: str, old: np.ndarray, new: np.ndarray, before: Classes, after: Classes) -> np.ndarray:
    axes = [axis for axis, (was, now) in enumerate(zip(old.shape, new.shape, strict=False)) if was != now]
    for label in before.keys() & after.keys():
        classes = (len(before[label]), len(after[label]))
        # The last axis of a layer of scores is that of its classes, in whatever order they were.
        axis = axes[0] if axes else new.ndim - 1
        if old.ndim != new.ndim or axis < 0 or len(axes) > 1 or (old.shape[axis], new.shape[axis]) != classes:
            continue
        numbers = {known: number for number, known in enumerate(before[label])}
        merged = np.moveaxis(new, axis, 0).copy()
        for number, known in enumerate(after[label]):
            if known in numbers:
                merged[number] = np.moveaxis(old, axis, 0)[numbers[known]]
        return np.moveaxis(merged, 0, axis)
    if old.shape == new.shape:
        return old
    raise TrainingError(
        f"the weights '{name}' of the base model have the shape {list(old.shape)}, and {list(new.shape)} now; "
        f"train from scratch once with train.warm_start=never"
    )
