"""Learning-rate schedules from the configuration."""

from __future__ import annotations

from typing import Any, TypeAlias

import tensorflow as tf
import tf_keras as keras

from hilir.components.trainer.settings import LearningRate

Schedule: TypeAlias = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable(package="hilir")
class Warmup(Schedule):
    """Rises linearly from 0 over `steps` steps, then follows `after`, which starts counting there."""

    def __init__(self, after: Schedule | float, steps: int) -> None:
        super().__init__()
        self._after = after
        self._steps = steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the rate at the optimizer's step."""
        step = tf.cast(step, tf.float32)
        later = tf.maximum(step - self._steps, 0.0)
        after = self._after(later) if callable(self._after) else tf.constant(self._after)
        peak = self._after(0) if callable(self._after) else after
        return tf.where(step < self._steps, peak * step / self._steps, after)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs."""
        return {"after": _serialize(self._after), "steps": self._steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Warmup:
        """Returns the schedule that `get_config` describes."""
        return cls(_deserialize(config["after"]), config["steps"])


@keras.saving.register_keras_serializable(package="hilir")
class Scaled(Schedule):
    """Another schedule, times a factor."""

    def __init__(self, schedule: Schedule, factor: float) -> None:
        super().__init__()
        self._schedule = schedule
        self._factor = factor

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the rate at the optimizer's step."""
        return self._schedule(step) * self._factor

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs."""
        return {"schedule": _serialize(self._schedule), "factor": self._factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Scaled:
        """Returns the schedule that `get_config` describes."""
        return cls(_deserialize(config["schedule"]), config["factor"])


def make_schedule(settings: LearningRate) -> Schedule | float:
    """Returns the schedule over optimizer steps.

    `cosine` follows Loshchilov and Hutter, SGDR (arXiv:1608.03983), without restarts; a warm-up precedes any schedule.
    """
    match settings.schedule:
        case "cosine":
            after: Schedule | float = keras.optimizers.schedules.CosineDecay(settings.initial, settings.decay_steps)
        case "exponential":
            after = keras.optimizers.schedules.ExponentialDecay(
                settings.initial, settings.decay_steps, settings.decay_rate
            )
        case "constant":
            after = settings.initial
    return Warmup(after, settings.warmup_steps) if settings.warmup_steps else after


def scale_rate(rate: Any, factor: float) -> Any:
    """Returns a learning rate (a number, a variable or a schedule) times the factor."""
    if factor == 1.0:
        return rate
    return Scaled(rate, factor) if callable(rate) else float(rate) * factor


def _serialize(rate: Any) -> Any:
    return keras.optimizers.schedules.serialize(rate) if callable(rate) else rate


def _deserialize(rate: Any) -> Any:
    return keras.optimizers.schedules.deserialize(rate) if isinstance(rate, dict) else rate
