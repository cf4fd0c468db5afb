"""How a model is trained: the configuration's `train` section, as the trainer gets it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from components.settings import Section


class EarlyStopping(Section):
    """Stop when a metric no longer gets better."""

    monitor: str
    patience: PositiveInt
    min_delta: NonNegativeFloat = 0.0
    restore_best: bool = True


class LearningRate(Section):
    """The learning rate over the optimizer's steps, in place of the model's own."""

    schedule: Literal["constant", "cosine", "exponential"]
    initial: PositiveFloat
    warmup_steps: NonNegativeInt = 0
    decay_steps: PositiveInt | None = None
    decay_rate: PositiveFloat | None = None

    @model_validator(mode="after")
    def _decay_is_complete(self) -> LearningRate:
        if self.schedule != "constant" and self.decay_steps is None:
            raise ValueError(f"the schedule '{self.schedule}' needs decay_steps")
        if self.schedule == "exponential" and self.decay_rate is None:
            raise ValueError("the schedule 'exponential' needs decay_rate")
        return self


class TrainSettings(Section):
    """How the model is trained."""

    epochs: PositiveInt
    steps_per_epoch: PositiveInt | None
    batch_size: PositiveInt
    seed: NonNegativeInt
    shuffle_buffer: PositiveInt
    hyperparameters: dict[str, Any]
    learning_rate: LearningRate | None
    early_stopping: EarlyStopping | None
    tensorboard: bool
    checkpoints: bool
