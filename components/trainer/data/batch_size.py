"""How many examples a step takes, and what that means for the learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hilir.components.errors import TrainingError
from hilir.components.trainer.settings import TrainSettings


@dataclass(frozen=True)
class Batching:
    """Sizes of a batch: of all replicas together, and of each."""

    size: int
    replicas: int

    @property
    def per_replica(self) -> int:
        """Examples that one replica takes in a step."""
        return self.size // self.replicas

    def steps(self, examples: int) -> int:
        """Returns the number of steps that see each example once; the last one may be smaller."""
        return math.ceil(examples / self.size)


def make_batching(settings: TrainSettings, replicas: int) -> Batching:
    """Returns the sizes for this number of replicas.

    Raises:
        TrainingError: a global batch that cannot be divided among the replicas.
    """
    if settings.batch_per == "replica":
        return Batching(settings.batch_size * replicas, replicas)
    if settings.batch_size % replicas:
        below = settings.batch_size // replicas * replicas
        raise TrainingError(
            f"train.batch_size is {settings.batch_size}, which cannot be divided among {replicas} replicas; "
            f"set it to {below or replicas} or {below + replicas}, or set train.batch_per to replica"
        )
    return Batching(settings.batch_size, replicas)


def scale_factor(settings: TrainSettings, batching: Batching) -> float:
    """Returns what the learning rate is multiplied by.

    `linear` is the rule of Goyal et al. (arXiv:1706.02677), `sqrt` that of Krizhevsky (arXiv:1404.5997).
    """
    ratio = batching.size / settings.batch_size
    match settings.scale_learning_rate:
        case "linear":
            return ratio
        case "sqrt":
            return math.sqrt(ratio)
        case None:
            return 1.0
