"""The one input pipeline of all training: transformed examples from TFRecords to batches.

The order of the examples depends on the seed and the epoch alone. Every input pipeline (there is one per process) walks
through all of it and takes its part of each batch, so that the number of workers changes neither which examples a
step sees nor that an epoch sees each example once, and a resumed training continues where the interrupted one was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from hilir.components.trainer.data.batch_size import Batching

Parse = Callable[[tf.Tensor], tuple[Any, ...]]
"""From serialized examples, [rows], to (features, label), or to (features, label, weight) with weights [rows]."""

Keep = Callable[[tf.Tensor], tf.Tensor]
"""From serialized examples, [rows], to whether each is taken, [rows]."""

MOST_KEPT = 1 << 30
"""Bytes of examples of a split that are kept in memory."""
# Of examples with the names of their features in each; gzip makes them ten times smaller, and text less.
_COMPRESSION = 10
_KEEP_BATCH = 1024
_COUNT_BATCH = 1024
# AutoGraph would read the source of each function, for control flow on tensors that none of them has.
_as_it_is = tf.autograph.experimental.do_not_convert


@dataclass(frozen=True)
class Order:
    """The order in which a training sees the examples.

    `steps` is the length of an epoch that does not go with the data, None where an epoch is one pass over it.
    `start` is the epoch and the step in it, counted from 0, to begin with.
    """

    seed: int
    buffer: int
    epochs: int
    steps: int | None
    start: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Share:
    """The part of each batch that one input pipeline makes: part `index` of `parts`."""

    parts: int = 1
    index: int = 0


def fits_in_memory(patterns: Sequence[str]) -> bool:
    """Returns whether the examples of all files may be kept in memory; else each epoch reads the files again."""
    files = (path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    size = sum(int(tf.io.gfile.stat(path).length) for path in files)
    return size * _COMPRESSION <= MOST_KEPT


def read_records(patterns: Sequence[str], keep: Keep | None = None) -> tf.data.Dataset:
    """Returns the serialized examples of all files, in one fixed order, kept in memory once read if they fit.

    `keep`: which of them are taken; None: all.
    """
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    if keep is not None:
        chosen = records.batch(_KEEP_BATCH).map(
            _as_it_is(lambda serialized: tf.boolean_mask(serialized, keep(serialized)))
        )
        records = chosen.unbatch()
    return records.cache() if fits_in_memory(patterns) else records


def count_records(records: tf.data.Dataset) -> int:
    """Returns the number of examples."""
    # A function called for each row costs 25 µs, which is more than a training step costs for it.
    batches = records.batch(_COUNT_BATCH)
    add = _as_it_is(lambda count, batch: count + tf.size(batch, tf.int64))
    return int(batches.reduce(tf.constant(0, tf.int64), add))


def order_batches(records: tf.data.Dataset, count: int, order: Order, size: int) -> tf.data.Dataset:
    """Returns the batches of serialized examples of the whole training from `order.start` on, each [size] or fewer.

    Only the last batch of a pass over the data may be smaller, and none is where the epoch has a length of its own.
    """
    epoch, step = order.start

    @_as_it_is
    def shuffled(number: tf.Tensor) -> tf.data.Dataset:
        return records.shuffle(order.buffer, seed=order.seed + number, reshuffle_each_iteration=False)

    if order.steps is None:
        passes = tf.data.Dataset.range(epoch, order.epochs)
        return passes.flat_map(_as_it_is(lambda number: shuffled(number).batch(size))).skip(step)
    seen = (epoch * order.steps + step) * size
    passes = tf.data.Dataset.range(seen // count, order.epochs * order.steps * size // count + 1)
    return passes.flat_map(shuffled).skip(seen % count).batch(size, drop_remainder=True)


def make_training(batches: tf.data.Dataset, parse: Parse, batching: Batching, share: Share) -> tf.data.Dataset:
    """Returns (features, label) of the batches, or (features, label, weight) of a share of them.

    With more than one replica each element is the batch of one replica. A smaller batch is filled up with rows of
    weight 0, and its real rows weigh more in proportion: the mean loss over the batch is that over the real rows.
    """
    if batching.replicas == 1:
        return batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return _shared(batches, parse, batching, share, lambda rows: batching.size / rows)


def make_evaluation(
    records: tf.data.Dataset, count: int, parse: Parse, batching: Batching, share: Share, *, kept: bool
) -> tf.data.Dataset:
    """Returns each example once, as `make_training` does; `kept`: in memory, once parsed.

    With more than one replica all real rows have one weight, such that the mean over all batches is that over the rows.
    """
    batches = records.batch(batching.size)
    if batching.replicas == 1:
        found = batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        weight = batching.steps(count) * batching.size / count
        found = _shared(batches, parse, batching, share, lambda _: tf.constant(weight, tf.float64))
    return found.cache() if kept else found.prefetch(tf.data.AUTOTUNE)


def _shared(
    batches: tf.data.Dataset, parse: Parse, batching: Batching, share: Share, weigh: Callable[[tf.Tensor], tf.Tensor]
) -> tf.data.Dataset:
    part = batching.size // share.parts

    @_as_it_is
    def fill(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.shape(serialized)[0]
        places = tf.range(part) + share.index * part
        weight = tf.cast(weigh(tf.cast(rows, tf.float64)), tf.float32)
        # Padding repeats real rows: all-zero rows could make a loss infinite, and infinity times 0 is not 0.
        return tf.gather(serialized, places % rows), tf.where(places < rows, weight, 0.0)

    @_as_it_is
    def parse_weighted(serialized: tf.Tensor, weights: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
        features, label, *own = parse(serialized)
        return features, label, weights * own[0] if own else weights

    filled = batches.map(fill, num_parallel_calls=tf.data.AUTOTUNE)
    if part != batching.per_replica:
        filled = filled.rebatch(batching.per_replica, drop_remainder=True)
    return filled.map(parse_weighted, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
