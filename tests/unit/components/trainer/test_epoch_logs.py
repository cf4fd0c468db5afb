"""The logs for TensorBoard are those that Keras's own callback writes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from hilir.components.trainer.callbacks import EpochLogs

EPOCHS = 3


def _read(folder):
    """Returns the figures by file's folder, tag and step."""
    found = {}
    for path in sorted(folder.rglob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                number = None if value.tag == "keras" else float(tf.make_ndarray(value.tensor))
                found[path.parent.name, value.tag, event.step] = number
    return found


@pytest.fixture
def train(tmp_path):
    def train(kind, name):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.layers.Dense(1, input_shape=(2,))])
        model.compile("sgd", "mse", metrics=["mae"])
        rows = np.arange(40.0).reshape(20, 2) / 40
        callback = kind(str(tmp_path / name), write_graph=False, profile_batch=0)
        model.fit(rows, rows.sum(1), validation_split=0.5, batch_size=2, epochs=EPOCHS, callbacks=[callback], verbose=0)
        return _read(tmp_path / name)

    return train


def test_each_epochs_figures_are_written(train):
    figures = train(EpochLogs, "ours")
    assert {("train", "epoch_loss", step) for step in range(EPOCHS)} <= set(figures)
    assert {("validation", "epoch_mae", step) for step in range(EPOCHS)} <= set(figures)
    assert figures == train(keras.callbacks.TensorBoard, "keras")
