"""Whether labels are what their loss is defined for, where training would go on without a word or with a riddle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras

from hilir.components.errors import PreflightError
from hilir.components.trainer.model_package import ModelPackage

_BINARY = {"binary_crossentropy", "bce", "binary_focal_crossentropy"}
_ONE_HOT = {"categorical_crossentropy", "categorical_focal_crossentropy"}
_CLASSES = {
    keras.losses.BinaryCrossentropy: "binary_crossentropy",
    keras.losses.BinaryFocalCrossentropy: "binary_focal_crossentropy",
    keras.losses.CategoricalCrossentropy: "categorical_crossentropy",
    keras.losses.CategoricalFocalCrossentropy: "categorical_focal_crossentropy",
}


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
    for label, loss in _pair(compiled.get("loss"), network, package):
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


def _pair(loss: Any, network: keras.Model, package: ModelPackage) -> Iterator[tuple[str, Any]]:
    """Yields each label with its loss, where both are plain to see."""
    if isinstance(package.label, str):
        found = list(loss.values()) if isinstance(loss, Mapping) else list(loss) if isinstance(loss, list) else [loss]
        if len(found) == 1:
            yield package.label, found[0]
        return
    names = list(getattr(network, "output_names", None) or [])
    for output, label in package.label.items():
        if isinstance(loss, Mapping):
            yield label, loss.get(output)
        elif isinstance(loss, list) and output in names and len(loss) == len(names):
            yield label, loss[names.index(output)]
        elif not isinstance(loss, list):
            yield label, loss


def _name(loss: Any) -> str:
    if isinstance(loss, str):
        return loss.lower()
    return _CLASSES.get(type(loss)) or str(getattr(loss, "__name__", ""))
