import numpy as np
import pytest
import tf_keras as keras

from hilir.components.errors import TrainingError
from hilir.components.trainer.callbacks import Progress
from hilir.components.trainer.settings import EarlyStopping as Settings
from hilir.components.trainer.state.early_stopping import make_early_stopping

ROWS = np.ones((8, 1), np.float32)


class Given(keras.metrics.Metric):
    """Reports the values that it was given, one an epoch."""

    def __init__(self, values, name):
        super().__init__(name=name)
        self.values = values
        self.epoch = -1

    def update_state(self, *_, **__):
        pass

    def result(self):
        return self.values[max(self.epoch, 0)]

    def reset_state(self):
        pass


class F1(Given):
    """A class whose name says which way it is better."""


def best_epoch(kind, values, name="own", **settings):
    metric = kind(values, name)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[metric], run_eagerly=True)
    stopping = make_early_stopping(Settings(monitor=name, patience=2, **settings))

    def begin(epoch, logs):
        metric.epoch = epoch

    model.fit(
        ROWS, ROWS, epochs=len(values), verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=begin), stopping, Progress(len(values), stopping)],
    )  # fmt: skip
    return stopping.best_epoch, stopping.best


@pytest.mark.parametrize(
    ("kind", "name", "settings"),
    [(F1, "own", {}), (Given, "recall", {}), (Given, "own", {"mode": "max"})],
)
def test_the_greatest_value_is_the_best_where_the_metric_says_so(kind, name, settings):
    assert best_epoch(kind, [0.1, 0.5, 0.4, 0.3, 0.9], name, **settings) == (1, 0.5)


def test_the_least_value_is_the_best_where_the_metric_says_so():
    assert best_epoch(Given, [0.5, 0.125, 0.2, 0.3, 0.0], "own_error") == (1, 0.125)
    assert best_epoch(F1, [0.5, 0.125, 0.2, 0.3, 0.0], mode="min") == (1, 0.125)


def test_a_small_gain_counts_for_none():
    assert best_epoch(F1, [0.1, 0.5, 0.55, 0.58, 0.9], min_delta=0.1) == (1, 0.5)


def test_a_metric_that_nobody_knows_is_asked_about():
    with pytest.raises(TrainingError, match=r"set train\.early_stopping\.mode to min or max"):
        best_epoch(Given, [0.1, 0.2], "caught")


def test_what_was_best_stays_so_after_an_interruption():
    metric = F1([0.3, 0.2, 0.1], "own")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[metric], run_eagerly=True)
    stopping = make_early_stopping(Settings(monitor="own", patience=9, restore_best=False))
    stopping.resume_from({"wait": 1, "stopped_epoch": 0, "best": 0.5, "best_epoch": 4, "best_weights": None})
    model.fit(ROWS, ROWS, epochs=2, verbose=0, callbacks=[stopping])
    assert (stopping.best, stopping.best_epoch, stopping.wait) == (0.5, 4, 3)


@pytest.mark.parametrize(("values", "told"), [([0.1, 0.5, 0.4, 0.3, 0.9], ["best in epoch 2"]), ([0.1, 0.5], [])])
def test_a_training_that_was_stopped_early_says_so(caplog, values, told):
    with caplog.at_level("INFO", "hilir.progress"):
        best_epoch(F1, values)
    figures = [record.progress for record in caplog.records]
    assert [each["stopped early"] for each in figures if "stopped early" in each] == told
