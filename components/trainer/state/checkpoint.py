"""Checkpoints from which an interrupted training continues, at the step where it was.

A checkpoint is a folder with TensorFlow's checkpoint of the network and its optimizer, and the state of early stopping.
`latest.json` names the one to use, with its epoch and step; it is written last, so a crash leaves the one before.
Every worker takes part in saving (variables that each replica has its own copy of are brought together then), only the
chief's files stay.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras as keras

from hilir.components.staging import write_file
from hilir.components.trainer.state.arrays import read_arrays, write_arrays
from hilir.components.trainer.state.early_stopping import EarlyStopping
from hilir.components.trainer.state.weights import build_optimizer

_POINTER = "latest.json"


@dataclass(frozen=True)
class Position:
    """Where a training is: the epoch and the step in it to continue with, counted from 0."""

    epoch: int
    step: int
    folder: str
    stopped: bool


def find_checkpoint(directory: str) -> Position | None:
    """Returns the latest complete checkpoint, if there is one."""
    pointer = os.path.join(directory, _POINTER)
    if not tf.io.gfile.exists(pointer):
        return None
    with tf.io.gfile.GFile(pointer) as file:
        content = json.load(file)
    return Position(content["epoch"], content["step"], content["folder"], content["stopped"])


class Checkpoints:
    """Saves and restores the state of a training below `directory`, which all workers see."""

    def __init__(self, directory: str, model: keras.Model, stopping: EarlyStopping | None, *, is_chief: bool) -> None:
        self._directory = directory
        self._model = model
        self._stopping = stopping
        self._is_chief = is_chief
        self._checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)

    def restore(self, position: Position) -> None:
        """Gives the model, its optimizer and early stopping the state that they had.

        Call it inside the strategy's scope, before anything is trained.
        """
        folder = os.path.join(self._directory, position.folder)
        build_optimizer(self._model)
        self._checkpoint.read(os.path.join(folder, "state")).assert_existing_objects_matched().expect_partial()
        if self._stopping is not None:
            self._stopping.resume_from(_read_stopping(folder))

    def save(self, epoch: int, step: int, *, stopped: bool = False) -> None:
        """Saves what is needed to continue with `step` of `epoch`; `stopped`: there is nothing left to train."""
        if not self._is_chief:
            with tempfile.TemporaryDirectory() as unused:
                self._checkpoint.write(os.path.join(unused, "state"))
            return
        before = find_checkpoint(self._directory)
        name = f"epoch-{epoch:05d}-step-{step:07d}"
        folder = os.path.join(self._directory, name)
        tf.io.gfile.makedirs(folder)
        self._checkpoint.write(os.path.join(folder, "state"))
        if self._stopping is not None:
            _write_stopping(folder, self._stopping.state())
        content = {"epoch": epoch, "step": step, "folder": name, "stopped": stopped}
        write_file(os.path.join(self._directory, _POINTER), json.dumps(content))
        if before is not None and before.folder != name:
            tf.io.gfile.rmtree(os.path.join(self._directory, before.folder))

    def delete(self) -> None:
        """Removes the checkpoints of a training that is complete."""
        if self._is_chief and tf.io.gfile.exists(self._directory):
            tf.io.gfile.rmtree(self._directory)


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves after each epoch and, if asked, every so many steps; it must come after early stopping."""

    def __init__(self, checkpoints: Checkpoints, every: int | None) -> None:
        """`every`: steps between the checkpoints inside an epoch."""
        super().__init__()
        self._checkpoints = checkpoints
        self._every = every
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remembers the epoch."""
        del logs
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Saves if it is time; `batch` is the last step that was done in this epoch, counted from 0."""
        del logs
        done = batch + 1
        if self._every is not None and done % self._every == 0 and done < self.params["steps"]:
            self._checkpoints.save(self._epoch, done)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Saves what the next epoch begins with."""
        del logs
        self._checkpoints.save(epoch + 1, 0, stopped=bool(self.model.stop_training))


def _write_stopping(folder: str, state: dict[str, Any]) -> None:
    weights = state.pop("best_weights")
    with tf.io.gfile.GFile(os.path.join(folder, "stopping.json"), "w") as file:
        file.write(json.dumps(state))
    if weights is not None:
        write_arrays(os.path.join(folder, "best.npz"), weights)


def _read_stopping(folder: str) -> dict[str, Any]:
    with tf.io.gfile.GFile(os.path.join(folder, "stopping.json")) as file:
        state: dict[str, Any] = json.load(file)
    best = os.path.join(folder, "best.npz")
    state["best_weights"] = read_arrays(best) if tf.io.gfile.exists(best) else None
    return state
