"""Learning-rate schedules from the configuration."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from components.trainer.settings import LearningRate


def make_schedule(settings: LearningRate) -> keras.optimizers.schedules.LearningRateSchedule | float:
    """Returns the schedule over optimizer steps.

    `cosine` follows Loshchilov and Hutter, SGDR (arXiv:1608.03983), without restarts, with a linear warm-up.
    """
    if settings.schedule == "cosine":
        warm = settings.warmup_steps > 0
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warm else settings.initial,
            settings.decay_steps,
            warmup_target=settings.initial if warm else None,
            warmup_steps=settings.warmup_steps,
        )
    if settings.schedule == "exponential":
        return keras.optimizers.schedules.ExponentialDecay(
            settings.initial, settings.decay_steps, settings.decay_rate
        )
    return settings.initial


def recompile(model: keras.Model, settings: LearningRate) -> None:
    """Gives the compiled model the same optimizer with the schedule for its learning rate."""
    config: dict[str, Any] = model.get_compile_config()
    optimizer = model.optimizer
    config["optimizer"] = type(optimizer).from_config(
        optimizer.get_config() | {"learning_rate": make_schedule(settings)}
    )
    config["optimizer"] = keras.saving.serialize_keras_object(config["optimizer"])
    model.compile_from_config(config)
