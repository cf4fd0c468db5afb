"""SIGTERM during training: all workers agree on a step, save a checkpoint there, and exit as platforms expect.

A worker that gets the signal publishes, through TensorFlow's coordination service, a step that none of them has
reached: an all-reduce in each step keeps them within one step of each other.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tensorflow.python.eager import context

from hilir.components.trainer.state.checkpoint import Checkpoints

EXIT_CODE = 143
"""128 + SIGTERM: Compute Engine, Kubernetes and Vertex AI take it as "stopped when asked to"."""

_KEY = "hilir/stop_at_step"
_WAIT_MS = 500


class Preempted(SystemExit):
    """The training was asked to stop; its checkpoint is complete."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


class StopOnRequest(keras.callbacks.Callback):
    """Saves and exits after SIGTERM, in the middle of an epoch; a training that is at its last step just ends."""

    def __init__(self, checkpoints: Checkpoints | None, *, cluster: bool) -> None:
        """`cluster`: whether there are other workers to agree with."""
        super().__init__()
        self._checkpoints = checkpoints
        self._cluster = cluster
        self._epoch = 0
        self._total = 0
        self._asked = threading.Event()
        self._ended = threading.Event()
        self._stop_at: int | None = None
        self._before: Callable[[int, FrameType | None], Any] | int | None = signal.SIG_DFL

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listens while the training runs; a handler that someone else has installed is called after the checkpoint."""
        on_main_thread = threading.current_thread() is threading.main_thread()
        # None: a handler of C code, which could not be put back.
        ours = on_main_thread and signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, None)
        if ours:
            self._before = signal.signal(signal.SIGTERM, self._on_signal)
        if self._cluster:
            threading.Thread(target=self._listen, name="stop requests", daemon=True).start()
        try:
            yield
        finally:
            self._ended.set()
            if ours:
                signal.signal(signal.SIGTERM, self._before)
        if self._asked.is_set():
            # Too late for a checkpoint of its own: the last epoch's is there.
            self._pass_on()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remembers the epoch."""
        del logs
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Publishes a request, and stops where the workers agreed to."""
        del logs
        self._total += 1
        if self._asked.is_set() and self._stop_at is None:
            self._stop_at = self._total + (2 if self._cluster else 0)
            if self._cluster:
                self._publish(self._stop_at)
        # After an epoch's last step its evaluation is still to come, so that the next step is the one to stop at.
        if self._stop_at is not None and self._total >= self._stop_at and batch + 1 < self.params["steps"]:
            if self._checkpoints is not None:
                self._checkpoints.save(self._epoch, batch + 1)
            self._pass_on()
            raise Preempted

    def _pass_on(self) -> None:
        """Calls the handler that was there before."""
        if callable(self._before):
            self._before(signal.SIGTERM, None)

    def _on_signal(self, _: int, __: FrameType | None) -> None:
        self._asked.set()

    def _publish(self, step: int) -> None:
        try:
            context.context().set_config_key_value(_KEY, str(step))
        except tf.errors.AlreadyExistsError:
            # Another worker was asked at the same moment; its step counts.
            self._stop_at = int(context.context().get_config_key_value(_KEY))

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                self._stop_at = int(context.context().get_config_key_value(_KEY, _WAIT_MS))
            except tf.errors.DeadlineExceededError:
                continue
            except tf.errors.OpError:
                return
            return
