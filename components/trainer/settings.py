"""How a model is trained: the configuration's `train` section, as the trainer gets it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hilir.components.settings import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section

Strategy = Literal["auto", "one_device", "mirrored", "multi_worker", "tpu"]
Precision = Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]


BestMode = Literal["min", "max"]
"""Whether the least or the greatest value is the best."""


class EarlyStopping(Section):
    """Stop when a metric no longer gets better.

    `mode`: whether the least (`min`) or the greatest (`max`) value is the best; auto: as the metric says.
    """

    monitor: str
    patience: PositiveInt
    mode: Literal["auto"] | BestMode = "auto"
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


class Clipping(Section):
    """A bound for gradients: the norm of each, its single values, or the norm of all of them together."""

    norm: PositiveFloat | None = None
    value: PositiveFloat | None = None
    global_norm: PositiveFloat | None = None

    @model_validator(mode="after")
    def _bounds_one_thing(self) -> Clipping:
        if sum(bound is not None for bound in (self.norm, self.value, self.global_norm)) != 1:
            raise ValueError("give exactly one of norm, value and global_norm")
        return self


class Pruning(Section):
    """Magnitude pruning: the share of zeros rises from step `begin` to `final_sparsity` at step `end`.

    After Zhu and Gupta, To prune, or not to prune (arXiv:1710.01878).
    """

    final_sparsity: Annotated[float, Field(gt=0.0, lt=1.0)]
    begin: NonNegativeInt = 0
    end: PositiveInt
    every: PositiveInt = 20

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Pruning:
        if self.end <= self.begin:
            raise ValueError(f"end ({self.end}) must be above begin ({self.begin})")
        return self


class MemoryLimit(Section):
    """The most memory of each GPU, in MB, that a process takes."""

    limit_mb: PositiveInt


GpuMemory = Literal["all", "growth"] | MemoryLimit


class Timeouts(Section):
    """How long, in seconds, the supervisor of local workers waits before it counts one as hung."""

    start: PositiveFloat
    silent: PositiveFloat
    stalled: PositiveFloat
    export: PositiveFloat


class Tuning(Section):
    """The search for hyperparameters over the space that the model's class declares."""

    enabled: bool
    algorithm: Literal["random", "bayesian", "grid"]
    trials: PositiveInt
    epochs: PositiveInt | None
    objective: str
    direction: Literal["auto"] | BestMode
    parallel_trials: PositiveInt


class TrainSettings(Section):
    """How the model is trained."""

    strategy: Strategy
    devices: PositiveInt | None
    workers: PositiveInt | None
    tpu: str
    epochs: PositiveInt
    steps_per_epoch: PositiveInt | None
    batch_size: PositiveInt
    batch_per: Literal["global", "replica"]
    seed: NonNegativeInt
    shuffle_buffer: PositiveInt
    hyperparameters: dict[str, Any]
    learning_rate: LearningRate | None
    scale_learning_rate: Literal["linear", "sqrt"] | None
    gradient_clipping: Clipping | None
    gradient_accumulation: PositiveInt
    precision: Precision
    jit_compile: bool
    gpu_memory: GpuMemory
    steps_per_execution: PositiveInt
    early_stopping: EarlyStopping | None
    tensorboard: bool
    checkpoints: bool
    checkpoint_steps: PositiveInt | None
    max_restarts: NonNegativeInt
    timeouts: Timeouts
    warm_start: Literal["never", "weights", "weights_and_optimizer"]
    pruning: Pruning | None
    quantization_aware: bool
    missing_label: Literal["drop", "refuse"]
    class_weight: Literal["balanced"] | dict[str | int, NonNegativeFloat] | None
    tune: Tuning

    @property
    def has_replicas(self) -> bool:
        """Whether there will be several replicas, as far as the configuration says; `auto` looks at the machine."""
        return self.strategy == "multi_worker" or (self.workers or 1) > 1 or (self.devices or 1) > 1

    @model_validator(mode="after")
    def _fits_together(self) -> TrainSettings:
        if self.workers is not None and self.strategy not in ("auto", "multi_worker"):
            raise ValueError(f"workers is for the strategy multi_worker, and the strategy is {self.strategy}")
        if self.devices is not None and self.strategy != "mirrored":
            raise ValueError(f"devices is for the strategy mirrored, and the strategy is {self.strategy}")
        if self.pruning is not None and self.quantization_aware:
            raise ValueError("pruning and quantization_aware cannot be combined; choose one of them")
        if self.checkpoint_steps is not None and self.checkpoint_steps % self.steps_per_execution:
            raise ValueError(
                f"checkpoint_steps ({self.checkpoint_steps}) must be a multiple of "
                f"steps_per_execution ({self.steps_per_execution})"
            )
        return self
