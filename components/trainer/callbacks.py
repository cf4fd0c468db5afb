"""What happens beside the training: progress, logs, checkpoints, early stopping."""

from __future__ import annotations

import logging
import os
from typing import Any

import tf_keras as keras

from components.trainer.settings import TrainSettings

progress = logging.getLogger("hilir.progress")
"""Each record carries `progress`, a dictionary of figures for the live table."""


class Progress(keras.callbacks.Callback):
    """Reports each epoch's figures."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Logs the figures of the epoch (counted from 0)."""
        figures = {name: round(float(value), 4) for name, value in (logs or {}).items()}
        progress.info(
            "epoch %d: %s", epoch + 1, figures, extra={"progress": {"epoch": f"{epoch + 1}/{self._epochs}"} | figures}
        )


def make_callbacks(settings: TrainSettings, run_dir: str) -> list[keras.callbacks.Callback]:
    """Returns the callbacks; TensorBoard's logs and the checkpoints go below `run_dir`."""
    callbacks: list[Any] = [Progress(settings.epochs)]
    if settings.tensorboard:
        callbacks.append(
            keras.callbacks.TensorBoard(os.path.join(run_dir, "logs"), write_graph=False, profile_batch=0)
        )
    if settings.checkpoints:
        callbacks.append(keras.callbacks.BackupAndRestore(os.path.join(run_dir, "backup"), delete_checkpoint=True))
    if settings.early_stopping is not None:
        stop = settings.early_stopping
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor=stop.monitor,
                patience=stop.patience,
                min_delta=stop.min_delta,
                restore_best_weights=stop.restore_best,
            )
        )
    return callbacks
