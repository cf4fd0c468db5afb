"""Pruning and quantization-aware training, with the TensorFlow Model Optimization toolkit.

Both wrap layers of the user's network for the training; the exported network is the user's own, with what was learnt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.trainer.model.own_steps import replaced
from hilir.components.trainer.settings import Pruning, TrainSettings

_LAYERS = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_QUANTIZABLE = (keras.layers.Dense, keras.layers.Conv2D)


def compress(model: keras.Model, settings: TrainSettings) -> keras.Model:
    """Returns the network to train: the model itself, or one with the same weights and wrapped layers, not compiled.

    Raises:
        TrainingError: the network is not one whose layers can be wrapped.
    """
    if settings.pruning is None and not settings.quantization_aware:
        return model
    option = "train.pruning" if settings.pruning is not None else "train.quantization_aware"
    if own := replaced(model):
        raise TrainingError(
            f"{option}: the model '{model.name}' has its own {', '.join(own)}, which the wrapped network would not "
            f"have; remove the option, or leave the training loop to Keras"
        )
    kinds = _LAYERS if settings.pruning is not None else _QUANTIZABLE
    if not any(isinstance(layer, kinds) for layer in model.layers):
        names = ", ".join(kind.__name__ for kind in kinds)
        raise TrainingError(f"{option}: the model '{model.name}' has no layer of the kinds {names}; remove the option")
    try:
        wrapped = _prune(model, settings.pruning) if settings.pruning is not None else _quantize(model)
    except (ValueError, RuntimeError) as error:
        raise TrainingError(
            f"{option}: the model '{model.name}' cannot be wrapped ({str(error).splitlines()[0]}); "
            f"it needs to be a functional or sequential Keras model of built-in layers"
        ) from error
    outputs = tf.nest.pack_sequence_as(model.output, tf.nest.flatten(wrapped.output))
    return keras.Model(wrapped.input, outputs, name=model.name)


def make_pruning_callbacks(settings: TrainSettings) -> list[keras.callbacks.Callback]:
    """Returns what raises the sparsity while the network trains."""
    if settings.pruning is None:
        return []
    import tensorflow_model_optimization as tfmot

    return [tfmot.sparsity.keras.UpdatePruningStep()]


def strip(trained: keras.Model, plain: keras.Model) -> None:
    """Gives `plain`, the user's own network, the weights of the trained one without what the wrappers added."""
    wrappers = {_inner_name(layer): layer for layer in trained.layers}
    for layer in plain.layers:
        source = wrappers[layer.name]
        layer.set_weights([_find(source, weight) for weight in layer.weights])


def measure_sparsity(model: keras.Model) -> float:
    """Returns the share of zeros among the kernels of dense and convolution layers."""
    kernels = [layer.kernel.numpy() for layer in model.layers if isinstance(layer, _LAYERS)]
    total = sum(kernel.size for kernel in kernels)
    return float(sum(np.count_nonzero(kernel == 0) for kernel in kernels) / total) if total else 0.0


def _prune(model: keras.Model, pruning: Pruning) -> keras.Model:
    # The toolkit costs two seconds to import, and most trainings do not need it.
    import tensorflow_model_optimization as tfmot

    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=pruning.final_sparsity,
        begin_step=pruning.begin,
        end_step=pruning.end,
        frequency=pruning.every,
    )

    def wrap(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, _LAYERS):
            return layer
        return tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule)

    return keras.models.clone_model(model, clone_function=wrap)


def _quantize(model: keras.Model) -> keras.Model:
    import tensorflow_model_optimization as tfmot

    def annotate(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, _QUANTIZABLE):
            return layer
        return tfmot.quantization.keras.quantize_annotate_layer(layer)

    return tfmot.quantization.keras.quantize_apply(keras.models.clone_model(model, clone_function=annotate))


def _inner_name(layer: Any) -> str:
    return str(layer.layer.name if hasattr(layer, "layer") else layer.name)


def _find(layer: Any, weight: tf.Variable) -> np.ndarray:
    """Returns the value of the layer's variable with the last part of the name (`kernel:0`) that `weight` has."""
    name = weight.name.rpartition("/")[2]
    found = [v for v in layer.weights if v.name.rpartition("/")[2] == name and tuple(v.shape) == tuple(weight.shape)]
    if len(found) != 1:
        raise TrainingError(f"the layer '{_inner_name(layer)}' has {len(found)} variables '{name}' after training")
    value: np.ndarray = found[0].numpy()
    return value
