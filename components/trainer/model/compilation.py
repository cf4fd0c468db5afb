"""Compiles the user's model anew with what the configuration says of the optimizer and the training step."""

from __future__ import annotations

from typing import Any

import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.trainer.model.accumulation import accumulate_gradients
from hilir.components.trainer.model.learning_rate import make_schedule, scale_rate
from hilir.components.trainer.model.own_steps import replaced
from hilir.components.trainer.model.replica_metrics import combine_metrics_last, count_real_rows, weigh_metrics
from hilir.components.trainer.settings import TrainSettings
from hilir.components.trainer.state.weights import inner_optimizer


def compile_arguments(model: keras.Model) -> dict[str, Any]:
    """Returns the arguments with which the model was compiled, as they were given."""
    return dict(model._compile_config.config)


def recompile(
    model: keras.Model,
    arguments: dict[str, Any],
    settings: TrainSettings,
    factor: float,
    *,
    padded: bool,
    weighted: bool = False,
) -> None:
    """Compiles the model, whose optimizer is built anew; call it inside the strategy's scope.

    Args:
        model: the network to train.
        arguments: what the user's package compiled it with.
        settings: the configuration.
        factor: what the learning rate is multiplied by.
        padded: whether the batches carry weights that say which rows are padding.
        weighted: whether the rows have weights of their own, which count in the metrics too.

    Raises:
        TrainingError: the configuration asks for what a training step of the user's own does not do.
    """
    if settings.gradient_accumulation > 1 and replaced(model, "train_step"):
        raise TrainingError(
            f"train.gradient_accumulation is {settings.gradient_accumulation}, and the model '{model.name}' has a "
            f"train_step of its own, which would not be called; accumulate there, or set the option to 1"
        )
    arguments = arguments | {
        "optimizer": make_optimizer(arguments["optimizer"], settings, factor),
        "jit_compile": settings.jit_compile or arguments["jit_compile"],
        "steps_per_execution": settings.steps_per_execution,
    }
    # Not the package's own `compile`, which has its own arguments, and has set what it sets already.
    keras.Model.compile(model, **(weigh_metrics(arguments) if padded or weighted else arguments))
    if padded and not weighted:
        count_real_rows(model)
    if padded:
        combine_metrics_last(model)
    if settings.gradient_accumulation > 1:
        accumulate_gradients(model, settings.gradient_accumulation)


def make_optimizer(given: Any, settings: TrainSettings, factor: float) -> keras.optimizers.Optimizer:
    """Returns a new optimizer like the given one, with the configuration's learning rate and clipping.

    Keras wraps it for loss scaling by itself where the precision is mixed_float16.
    """
    optimizer = inner_optimizer(keras.optimizers.get(given))
    schedule, config = _take_apart(optimizer)
    rate: Any = config["learning_rate"] if schedule is None else schedule
    if settings.learning_rate is not None:
        rate = make_schedule(settings.learning_rate)
    config["learning_rate"] = scale_rate(rate, factor)
    if settings.gradient_clipping is not None:
        clip = settings.gradient_clipping
        config |= {"clipnorm": clip.norm, "clipvalue": clip.value, "global_clipnorm": clip.global_norm}
    return type(optimizer).from_config(config)


def _take_apart(optimizer: Any) -> tuple[Any, dict[str, Any]]:
    """Returns the schedule of the learning rate, if there is one, and the optimizer's configuration.

    The schedule is kept as it is: one of the user's own need not be registered for Keras's serialization, nor have a
    `get_config`.
    """
    # Keras's older optimizers hold it elsewhere.
    is_older = hasattr(optimizer, "_hyper")
    place, key = (optimizer._hyper, "learning_rate") if is_older else (vars(optimizer), "_learning_rate")
    schedule = place[key]
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return None, optimizer.get_config()
    place[key] = 0.0
    try:
        return schedule, optimizer.get_config()
    finally:
        place[key] = schedule
