"""What happens during the training: progress, logs, checkpoints, early stopping."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from typing import Any

import tf_keras as keras

from hilir.components.errors import LossIsNaN
from hilir.components.trainer.model.compression import make_pruning_callbacks
from hilir.components.trainer.settings import TrainSettings
from hilir.components.trainer.state.checkpoint import Checkpoints, SaveCheckpoints
from hilir.components.trainer.state.early_stopping import EarlyStopping
from hilir.components.trainer.state.preemption import StopOnRequest

progress = logging.getLogger("hilir.progress")
"""Each record carries `progress`, a dictionary of figures for the live table."""


class Progress(keras.callbacks.Callback):
    """Reports each epoch's figures, and that the training was stopped early."""

    def __init__(self, epochs: int, stopping: EarlyStopping | None = None) -> None:
        """`stopping`: what may stop it; its epoch's end comes before this one's."""
        super().__init__()
        self._epochs = epochs
        self._stopping = stopping

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Logs the figures of the epoch (counted from 0)."""
        figures = {name: round(float(value), 4) for name, value in (logs or {}).items()}
        report_progress({"epoch": f"{epoch + 1}/{self._epochs}"} | figures)
        if self._stopping is not None and self._stopping.stopped_epoch:
            report_progress({"stopped early": f"best in epoch {self._stopping.best_epoch + 1}"})


class StopAtNan(keras.callbacks.Callback):
    """Stops the training at the step whose loss is not a number."""

    def __init__(self) -> None:
        super().__init__()
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Notes the epoch, counted from 0."""
        del logs
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the mean loss of the epoch so far.

        Raises:
            LossIsNaN: it is not a number.
        """
        self._check(logs, f"step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the figures of the epoch; several replicas have none before.

        Raises:
            LossIsNaN: the loss, in training or evaluation, is not a number.
        """
        del epoch
        self._check(logs, "its end")

    def _check(self, logs: dict[str, float] | None, place: str) -> None:
        for name in ("loss", "val_loss"):
            if math.isnan((logs or {}).get(name, 0.0)):
                raise LossIsNaN(
                    f"{name} is not a number (NaN) in epoch {self._epoch + 1} at {place}; look for features without "
                    f"bounds or with infinite values (a division or logarithm in preprocessing_fn), for labels outside "
                    f"the range of the loss, and try a lower learning rate or train.gradient_clipping"
                )


class CountSteps(keras.callbacks.Callback):
    """Tells a supervisor that steps of training and evaluation are being done."""

    def __init__(self, on_step: Callable[[], None]) -> None:
        super().__init__()
        self._on_step = on_step

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Counts."""
        del batch, logs
        self._on_step()

    def on_test_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Counts."""
        del batch, logs
        self._on_step()


class EpochLogs(keras.callbacks.TensorBoard):
    """TensorBoard's logs of each epoch."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Does nothing: Keras makes summaries here, a tenth of a step, and has no file to write them to."""


def report_progress(figures: dict[str, Any]) -> None:
    """Tells whoever listens, which may be the live table or the supervisor of this process."""
    text = ", ".join(f"{name} {value}" for name, value in figures.items())
    progress.info("%s", text, extra={"progress": figures})


def make_callbacks(
    settings: TrainSettings,
    run_dir: str,
    *,
    is_chief: bool,
    stop: StopOnRequest,
    stopping: EarlyStopping | None,
    checkpoints: Checkpoints | None,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks in the order they must come in; TensorBoard's logs go below `run_dir`.

    Args:
        settings: the configuration.
        run_dir: the Trainer's `model_run` artifact.
        is_chief: whether this process writes and reports.
        stop: what listens for SIGTERM.
        stopping: early stopping, if asked for.
        checkpoints: where the state is saved, if it is.
    """
    # First, so that no checkpoint has what cannot continue.
    callbacks: list[Any] = [StopAtNan(), *make_pruning_callbacks(settings)]
    if stopping is not None:
        callbacks.append(stopping)
    if checkpoints is not None:
        callbacks.append(SaveCheckpoints(checkpoints, settings.checkpoint_steps))
    callbacks.append(stop)
    if is_chief:
        callbacks.append(Progress(settings.epochs, stopping))
        if settings.tensorboard:
            logs = os.path.join(run_dir, "logs")
            callbacks.append(EpochLogs(logs, write_graph=False, profile_batch=0))
    return callbacks
