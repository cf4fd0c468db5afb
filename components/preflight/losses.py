"""Whether labels and scores are what their loss is defined for, where training would go on without a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from hilir.components.errors import PreflightError
from hilir.components.trainer.model_package import ModelPackage

_BINARY = {"binary_crossentropy", "bce", "binary_focal_crossentropy"}
_ONE_HOT = {"categorical_crossentropy", "categorical_focal_crossentropy"}
_SPARSE = {"sparse_categorical_crossentropy"}
_CLASSES = {
    keras.losses.SparseCategoricalCrossentropy: "sparse_categorical_crossentropy",
    keras.losses.BinaryCrossentropy: "binary_crossentropy",
    keras.losses.BinaryFocalCrossentropy: "binary_focal_crossentropy",
    keras.losses.CategoricalCrossentropy: "categorical_crossentropy",
    keras.losses.CategoricalFocalCrossentropy: "categorical_focal_crossentropy",
}

_TOLERANCE = 0.01
"""For activations that are computed with 8 bits of a fraction."""

_FEWEST_CLASSES = 2


def require_labels(
    compiled: Mapping[str, Any], network: keras.Model, targets: Mapping[str, Any], package: ModelPackage
) -> None:
    """Checks the labels of some rows against the losses that the model is compiled with.

    Keras computes a binary cross-entropy of any number, which falls without end, and names two shapes where a label
    that is the number of a class should have had a number for each.

    Args:
        compiled: as `compile_arguments` returns them.
        network: the model.
        targets: the labels by name.
        package: what the user wrote.

    Raises:
        PreflightError: a label has values or a shape that its loss is not defined for.
    """
    for label, _, loss in _pair(compiled.get("loss"), network, package):
        value, name = targets.get(label), _name(loss)
        if not isinstance(value, tf.Tensor) or value.dtype == tf.string:
            continue
        what = f"{package.name}.model compiles the model with {name}"
        numbers = value.numpy()
        if name in _BINARY and (numbers.min() < 0 or numbers.max() > 1):
            raise PreflightError(
                f"{what}, which takes labels from 0 to 1, and the label '{label}' is from {numbers.min():g} to "
                f"{numbers.max():g} in these rows; make it 0 and 1 in preprocessing_fn, or use another loss, such as "
                f"sparse_categorical_crossentropy for classes, or mse for numbers"
            )
        if name in _ONE_HOT and value.dtype.is_integer and value.shape[-1] == 1:
            raise PreflightError(
                f"{what}, which takes a label with a number for each class, and the label '{label}' is the number of a "
                f"class; use sparse_categorical_crossentropy, or tf.one_hot in preprocessing_fn"
            )


def require_scores(network: keras.Model, package: ModelPackage) -> None:
    """Checks that no layer takes the softmax of a single score, which is 1 for every row.

    Raises:
        PreflightError: one does.
    """
    for layer in network.submodules:
        if getattr(layer, "units", None) == 1 and getattr(layer, "activation", None) is keras.activations.softmax:
            raise PreflightError(
                f"{package.name}.model: the softmax of the one score of the layer '{layer.name}' is 1 for every row; "
                f"use sigmoid, or a score for each class"
            )


def require_range(
    compiled: Mapping[str, Any], network: keras.Model, outputs: Mapping[str, tf.Tensor], package: ModelPackage
) -> frozenset[str]:
    """Checks what the model answers for some rows against the losses that it is compiled with.

    Keras cuts scores off at 0 and 1 without a word, and takes the sigmoid of a sigmoid: both train, to a bad model.

    Args:
        compiled: as `compile_arguments` returns them.
        network: the model.
        outputs: its answers by name.
        package: what the user wrote.

    Returns:
        The outputs that are logits, as their losses say.

    Raises:
        PreflightError: a loss takes probabilities and gets other numbers, or takes logits and gets probabilities.
    """
    logits = set()
    for _, output, loss in _pair(compiled.get("loss"), network, package):
        name = _name(loss)
        shown = (output or "") if len(outputs) > 1 else next(iter(outputs))
        found = outputs.get(shown)
        if found is None or name not in _BINARY | _ONE_HOT | _SPARSE:
            continue
        numbers = tf.cast(found, tf.float32).numpy()
        activation = "sigmoid" if name in _BINARY else "softmax"
        what = f"{package.name}.model compiles the model with {name}"
        if _takes_logits(loss):
            logits.add(shown)
            if _is_probability(found, numbers, activation):
                raise PreflightError(
                    f"{what} and from_logits=True, and the output '{shown}' is the {activation} of logits already; "
                    f"leave from_logits out"
                )
        elif numbers.min() < -_TOLERANCE or numbers.max() > 1 + _TOLERANCE:
            raise PreflightError(
                f"{what}, which takes scores from 0 to 1, and the output '{shown}' is from {numbers.min():g} to "
                f"{numbers.max():g} in these rows; end the model in a {activation}, or give the loss from_logits=True"
            )
    return frozenset(logits)


def _takes_logits(loss: Any) -> bool:
    return isinstance(loss, keras.losses.Loss) and bool(loss.get_config().get("from_logits"))


def _is_probability(output: tf.Tensor, numbers: np.ndarray, activation: str) -> bool:
    """Returns whether scores are those of an activation: a few logits may be from 0 to 1 by chance."""
    # Where Keras' activations keep what they were given, for the losses.
    if hasattr(output, "_keras_logits"):
        return True
    if activation == "sigmoid" or numbers.shape[-1] < _FEWEST_CLASSES:
        return False
    return bool(numbers.min() >= 0 and np.allclose(numbers.sum(-1), 1, atol=_TOLERANCE))


def _pair(loss: Any, network: keras.Model, package: ModelPackage) -> Iterator[tuple[str, str | None, Any]]:
    """Yields each label with its output, None for the only one, and its loss, where they are plain to see."""
    if isinstance(package.label, str):
        found = list(loss.items()) if isinstance(loss, Mapping) else [(None, each) for each in _listed(loss)]
        if len(found) == 1:
            yield package.label, *found[0]
        return
    names = list(getattr(network, "output_names", None) or [])
    for output, label in package.label.items():
        if isinstance(loss, Mapping):
            yield label, output, loss.get(output)
        elif isinstance(loss, list) and output in names and len(loss) == len(names):
            yield label, output, loss[names.index(output)]
        elif not isinstance(loss, list):
            yield label, output, loss


def _listed(loss: Any) -> list[Any]:
    return loss if isinstance(loss, list) else [loss]


def _name(loss: Any) -> str:
    if isinstance(loss, str):
        return loss.lower()
    return _CLASSES.get(type(loss)) or str(getattr(loss, "__name__", ""))
