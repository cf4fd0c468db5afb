"""The training and evaluation data of one training, spread over its replicas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hilir.components.errors import TrainingError
from hilir.components.examples import name_split
from hilir.components.trainer.data.batch_size import Batching
from hilir.components.trainer.data.dataset import (
    Order,
    Share,
    count_records,
    fits_in_memory,
    make_evaluation,
    make_training,
    order_batches,
    read_records,
)
from hilir.components.trainer.data.parsing import Parsing
from hilir.components.trainer.training_job import TrainingJob


@dataclass(frozen=True)
class Feed:
    """What Keras's `fit` gets: the datasets, and the steps of an epoch and of an evaluation."""

    train: Any
    steps: int
    evaluation: Any
    evaluation_steps: int


def make_feed(
    job: TrainingJob, strategy: tf.distribute.Strategy, batching: Batching, parsing: Parsing, start: tuple[int, int]
) -> Feed:
    """Returns the data from the epoch and step `start` on.

    Raises:
        TrainingError: a split is empty.
    """
    settings = job.settings
    records, held_out = (read_records(files, parsing.keep) for files in (job.train_files, job.eval_files))
    count, held_out_count = count_records(records), count_records(held_out)
    if not count or not held_out_count:
        empty = name_split(job.eval_files[0], "eval") if count else name_split(job.train_files[0], "train")
        raise TrainingError(
            f"the split '{empty}' has no rows, so that nothing can be trained; "
            f"give it more data, or a larger share in data.splits"
        )
    order = Order(
        seed=settings.seed,
        buffer=settings.shuffle_buffer,
        epochs=settings.epochs,
        steps=settings.steps_per_epoch,
        start=start,
    )
    batches = order_batches(records, count, order, batching.size)
    kept = fits_in_memory(job.eval_files)

    def spread(make: Callable[[Share], tf.data.Dataset]) -> Any:
        if batching.replicas == 1:
            return make(Share())
        # Endless, as `fit` counts the steps: workers with data that may end ask each other before each step whether
        # anybody has rows left.
        return strategy.distribute_datasets_from_function(
            lambda context: make(Share(context.num_input_pipelines, context.input_pipeline_id)).repeat()
        )

    return Feed(
        spread(lambda share: make_training(batches, parsing.train, batching, share)),
        settings.steps_per_epoch or batching.steps(count),
        spread(lambda share: make_evaluation(held_out, held_out_count, parsing.evaluation, batching, share, kept=kept)),
        batching.steps(held_out_count),
    )
