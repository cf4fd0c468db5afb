"""The trained weights, next to the training's logs: for a warm start, and for exports that rebuild the network."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.trainer.state.arrays import read_arrays, write_arrays

FOLDER = "weights"
WEIGHTS = "model.weights.h5"
"""Keras's weights of the float32 network that `build_model` returns: `build_model(hparams).load_weights(path)`."""
HYPERPARAMETERS = "hyperparameters.json"
"""The values for the model package's Hyperparameters class with which to build it."""
OPTIMIZER = "optimizer.npz"
"""The optimizer's variables in their order; only a warm start needs them."""


def save_weights(run_dir: str, model: keras.Model, hyperparameters: dict[str, Any], optimizer: list[Any]) -> None:
    """Writes the files above to `run_dir`/weights.

    Args:
        run_dir: the Trainer's `model_run` artifact.
        model: the float32 network.
        hyperparameters: plain values.
        optimizer: arrays, as `read_optimizer` returns them.
    """
    folder = os.path.join(run_dir, FOLDER)
    tf.io.gfile.makedirs(folder)
    with tempfile.TemporaryDirectory() as local:
        # HDF5 writes to the local disk only.
        path = os.path.join(local, WEIGHTS)
        model.save_weights(path)
        tf.io.gfile.copy(path, os.path.join(folder, WEIGHTS), overwrite=True)
    write_arrays(os.path.join(folder, OPTIMIZER), optimizer)
    with tf.io.gfile.GFile(os.path.join(folder, HYPERPARAMETERS), "w") as file:
        file.write(json.dumps(hyperparameters, sort_keys=True))


def load_weights(run_dir: str, model: keras.Model) -> None:
    """Gives the model, as `build_model` returns it, the weights of that training.

    Raises:
        TrainingError: they are not there, or do not fit the network.
    """
    path = os.path.join(run_dir, FOLDER, WEIGHTS)
    if not tf.io.gfile.exists(path):
        raise TrainingError(f"{path}: the weights of the base model are not there; set train.warm_start to never")
    with tempfile.TemporaryDirectory() as folder:
        local = os.path.join(folder, WEIGHTS)
        tf.io.gfile.copy(path, local)
        try:
            model.load_weights(local)
        except (ValueError, KeyError) as error:
            raise TrainingError(
                f"{path}: the weights of the base model do not fit the network ({str(error).splitlines()[0]}); "
                f"train from scratch once with train.warm_start=never"
            ) from None


def read_optimizer(model: keras.Model) -> list[np.ndarray]:
    """Returns the values of the optimizer's variables in their order."""
    return [np.asarray(variable.numpy()) for variable in _variables(model.optimizer)]


def load_optimizer(run_dir: str, model: keras.Model, *, restart_schedule: bool) -> None:
    """Gives the model's optimizer the state that it had at the end of that training, apart from the learning rate.

    `restart_schedule`: count the steps from 0 again, so that a schedule of the learning rate begins anew.

    Raises:
        TrainingError: the state is not there, or belongs to another optimizer or network.
    """
    path = os.path.join(run_dir, FOLDER, OPTIMIZER)
    if not tf.io.gfile.exists(path):
        raise TrainingError(f"{path}: the base model's optimizer state is not there; set train.warm_start to weights")
    values = read_arrays(path)
    build_optimizer(model)
    variables = _variables(model.optimizer)
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise TrainingError(
            f"{path}: the base model was trained with another optimizer or network; set train.warm_start to weights"
        )
    for variable, value in zip(variables, values, strict=True):
        kept = "learning_rate" in variable.name or (restart_schedule and "iteration" in variable.name)
        if not kept:
            variable.assign(value)


def inner_optimizer(optimizer: Any) -> Any:
    """Returns the optimizer without what scales its loss for float16."""
    return optimizer.inner_optimizer if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer) else optimizer


def build_optimizer(model: keras.Model) -> None:
    """Makes the optimizer's variables, which it otherwise has after its first step only."""
    optimizer, variables = inner_optimizer(model.optimizer), model.trainable_variables
    if isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        optimizer._create_all_weights(variables)
    else:
        optimizer.build(variables)


def run_dir_of(serving_model_dir: str) -> str:
    """Returns the `model_run` artifact next to the `model` artifact that contains this SavedModel.

    TFX writes both in one run, to `…/model/<execution>/Format-Serving` and `…/model_run/<execution>` on one machine,
    and to `…/model/Format-Serving` and `…/model_run` on Vertex AI.
    """
    parts = os.path.dirname(serving_model_dir.rstrip("/")).split("/")
    for place in (-1, -2):
        if parts[place] == "model":
            parts[place] = "model_run"
            return "/".join(parts)
    raise TrainingError(
        f"{serving_model_dir}: this model was not written by the Trainer, so that training cannot start from it; "
        f"set train.warm_start to never"
    )


def _variables(optimizer: Any) -> list[Any]:
    variables = inner_optimizer(optimizer).variables
    return list(variables() if callable(variables) else variables)
