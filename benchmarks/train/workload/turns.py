"""A training that waits for its turn before each epoch; benchmarks/train/turns.py gives the turns."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import tf_keras as keras

_POLL_SECONDS = 0.005


class Turns(keras.callbacks.Callback):
    """Begins an epoch when its turn has come, and writes down what it took; it must be the last of the callbacks."""

    def __init__(self, prefix: str) -> None:
        """`prefix`: where the files of this training begin."""
        super().__init__()
        self._prefix = prefix
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        del logs
        while not Path(f"{self._prefix}.{epoch}.go").exists():
            time.sleep(_POLL_SECONDS)
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del logs
        seconds = time.perf_counter() - self._began
        done = Path(f"{self._prefix}.{epoch}.{os.getpid()}.done")
        new = done.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(done)
