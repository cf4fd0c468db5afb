"""Early stopping that survives an interruption of the training."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from hilir.components.trainer import settings

_STATE = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's early stopping, whose state can be read and given."""

    _resumed: dict[str, Any] | None = None

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


def make_early_stopping(stop: settings.EarlyStopping | None) -> EarlyStopping | None:
    """Returns the callback that the configuration asks for."""
    if stop is None:
        return None
    return EarlyStopping(
        monitor=stop.monitor,
        patience=stop.patience,
        min_delta=stop.min_delta,
        restore_best_weights=stop.restore_best,
    )
