"""Early stopping that survives an interruption of the training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tf_keras as keras

from hilir.analysis.directions import find_direction
from hilir.components.errors import TrainingError
from hilir.components.trainer import settings

_STATE = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's early stopping, whose state can be read and given, and which knows which way a metric is better.

    Keras takes the least value for the best unless the name ends in acc, accuracy or auc.
    """

    best: float
    _resumed: dict[str, Any] | None = None

    def __init__(self, stop: settings.EarlyStopping) -> None:
        super().__init__(
            monitor=stop.monitor,
            patience=stop.patience,
            min_delta=stop.min_delta,
            mode="min",
            restore_best_weights=stop.restore_best,
        )
        self._mode: str = stop.mode
        self._least_gain: float = stop.min_delta
        self._learned = False

    def state(self) -> dict[str, Any]:
        """Returns the counters and the best weights so far."""
        found = {name: getattr(self, name) for name in _STATE}
        return found | {"best": float(found["best"])}

    def resume_from(self, state: dict[str, Any]) -> None:
        """Goes on with the state when the training begins."""
        self._resumed = state

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Starts anew, or continues."""
        super().on_train_begin(logs)
        for name, value in (self._resumed or {}).items():
            setattr(self, name, value)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Compares the epoch with the best one.

        Raises:
            TrainingError: nothing says which way the metric is better.
        """
        if not self._learned:
            # Keras knows a model's metrics after the first batch only.
            self._learn_what_is_better()
        super().on_epoch_end(epoch, logs)

    def _learn_what_is_better(self) -> None:
        mode = find_mode(self.monitor, self.model) if self._mode == "auto" else self._mode
        if mode is None:
            raise TrainingError(describe_unknown("train.early_stopping.monitor", self.monitor, "mode"))
        sign = 1 if mode == "max" else -1
        self.monitor_op = np.greater if mode == "max" else np.less
        self.min_delta = sign * self._least_gain
        if math.isinf(self.best):
            self.best = -sign * math.inf
        self._learned = True


def make_early_stopping(stop: settings.EarlyStopping | None) -> EarlyStopping | None:
    """Returns the callback that the configuration asks for."""
    return None if stop is None else EarlyStopping(stop)


def find_mode(name: str, model: keras.Model | None = None) -> settings.BestMode | None:
    """Returns whether the least or the greatest value of a metric is the best; None if nothing says so.

    Args:
        name: as training reports it, for example `val_auc`.
        model: one that was trained; the classes of its metrics count before the name.
    """
    bare = name.removeprefix("val_")
    classes = [type(metric).__name__ for metric in (model.metrics if model is not None else ()) if metric.name == bare]
    direction = find_direction(*classes, bare)
    return ("min" if direction < 0 else "max") if direction else None


def describe_unknown(key: str, name: str, remedy: str) -> str:
    """Returns the sentence that says what is to be set."""
    section = key.rpartition(".")[0]
    return (
        f"{key} is '{name}', and neither its name nor its class says which way it is better; "
        f"set {section}.{remedy} to min or max"
    )
