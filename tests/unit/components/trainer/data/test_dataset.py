from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

from hilir.components.trainer.data import dataset
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

ROWS = 23
SPEC = {"id": tf.io.FixedLenFeature([1], tf.int64), "label": tf.io.FixedLenFeature([1], tf.int64)}


def parse(serialized):
    parsed = tf.io.parse_example(serialized, SPEC)
    return {"id": parsed["id"]}, parsed["label"]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    for shard in range(3):
        with tf.io.TFRecordWriter(str(folder / f"part-{shard}.gz"), "GZIP") as writer:
            for row in range(shard, ROWS, 3):
                feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[row]))
                example = tf.train.Example(features=tf.train.Features(feature={"id": feature, "label": feature}))
                writer.write(example.SerializeToString())
    return read_records([str(folder / "part-*")])


def steps(records, order, replicas, size=8):
    """Returns, per step, the ids with a weight above 0 over all replicas, each its own input pipeline."""
    batching = Batching(size, replicas)
    batches = order_batches(records, ROWS, order, size)
    parts = [make_training(batches, parse, batching, Share(replicas, index)) for index in range(replicas)]
    found = []
    for elements in zip(*parts, strict=True):
        ids: list[int] = []
        for features, label, *weights in elements:
            np.testing.assert_array_equal(features["id"], label)
            values = features["id"].numpy()[:, 0]
            ids += values[weights[0].numpy() > 0].tolist() if weights else values.tolist()
        found.append(ids)
    return found


def test_examples_that_do_not_fit_are_read_again_in_the_same_order(tmp_path, monkeypatch):
    path = tmp_path / "rows.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in range(10):
            writer.write(str(number).encode())
    kept = list(read_records([str(path)]).as_numpy_iterator())
    assert fits_in_memory([str(path)])
    monkeypatch.setattr(dataset, "MOST_KEPT", 10 * path.stat().st_size - 1)
    assert not fits_in_memory([str(path)])
    records = read_records([str(path)])
    assert list(records.as_numpy_iterator()) == kept == [str(number).encode() for number in range(10)]
    path.unlink()
    with pytest.raises(tf.errors.NotFoundError):
        next(records.as_numpy_iterator())


def test_records_are_counted(records):
    assert count_records(records) == ROWS


def test_each_epoch_has_each_row_once_in_an_order_of_its_own(records):
    found = steps(records, Order(seed=0, buffer=100, epochs=3, steps=None), 1)
    assert [len(ids) for ids in found] == [8, 8, 7] * 3
    epochs = [list(chain(*found[start : start + 3])) for start in (0, 3, 6)]
    assert all(Counter(ids) == Counter(range(ROWS)) for ids in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize("replicas", [2, 4])
def test_the_number_of_replicas_does_not_change_which_rows_a_step_sees(records, replicas):
    order = Order(seed=5, buffer=10, epochs=2, steps=None)
    alone = [sorted(ids) for ids in steps(records, order, 1)]
    assert [sorted(ids) for ids in steps(records, order, replicas)] == alone


@pytest.mark.parametrize("length", [None, 5])
@pytest.mark.parametrize("start", [(0, 2), (1, 0), (1, 1), (2, 2)])
def test_a_resumed_training_goes_on_with_the_same_rows(records, length, start):
    whole = steps(records, Order(seed=5, buffer=10, epochs=3, steps=length), 1)
    rest = steps(records, Order(seed=5, buffer=10, epochs=3, steps=length, start=start), 1)
    done = start[0] * (length or 3) + start[1]
    count = 3 * (length or 3) - done
    assert rest[:count] == whole[done : done + count]


def test_epochs_of_a_given_length_go_round_the_data_in_full_batches(records):
    found = steps(records, Order(seed=5, buffer=100, epochs=2, steps=5), 1)
    assert [len(ids) for ids in found[:10]] == [8] * 10
    assert Counter(list(chain(*found))[:ROWS]) == Counter(range(ROWS))


def test_weights_make_the_mean_of_a_smaller_batch_that_of_its_rows(records):
    order = Order(seed=5, buffer=100, epochs=1, steps=None)
    batching = Batching(8, 2)
    batches = order_batches(records, ROWS, order, 8)
    last = [list(make_training(batches, parse, batching, Share(2, index)))[-1] for index in range(2)]
    weights = np.concatenate([weight.numpy() for _, _, weight in last])
    assert weights.sum() == pytest.approx(8)
    assert (weights > 0).sum() == 7


def test_every_batch_has_one_static_shape_with_several_replicas(records):
    order = Order(seed=5, buffer=100, epochs=1, steps=None)
    data = make_training(order_batches(records, ROWS, order, 8), parse, Batching(8, 2), Share(2, 0))
    features, label, weight = data.element_spec
    assert features["id"].shape == label.shape == [4, 1]
    assert weight.shape == [4]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_the_evaluation_is_the_mean_over_the_rows(records, replicas, kept):
    batching = Batching(8, replicas)
    total, ids = 0.0, []
    for index in range(replicas):
        for features, _, *weights in make_evaluation(records, ROWS, parse, batching, Share(replicas, index), kept=kept):
            values = features["id"].numpy()[:, 0]
            weight = weights[0].numpy() if weights else np.full(len(values), 3 * 8 / ROWS)
            total += float((values * weight).sum())
            ids += values[weight > 0].tolist()
    assert Counter(ids) == Counter(range(ROWS))
    assert total / (batching.steps(ROWS) * 8) == pytest.approx(np.mean(range(ROWS)), rel=1e-6)
