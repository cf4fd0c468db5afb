import json
import os
import time
from pathlib import Path

import tensorflow as tf
import tf_keras as keras
from pydantic import BaseModel, Field

from recorded import features


class Hyperparameters(BaseModel):
    folder: str | None = None
    step_seconds: float = 0.0
    fail: str | None = None
    own_step: bool = True
    normalise: bool = False
    balance: bool = True
    legacy: bool = False
    pairs: bool = False
    learning_rate: float = Field(0.1, json_schema_extra={"search": {"choices": [1e-6, 0.1]}})


class Counted(keras.Model):
    """Writes to <folder>/<process id>.collectives, after the training, how many collectives its steps have."""

    def fit(self, *arguments, **named):
        history = super().fit(*arguments, **named)
        # A training that was complete when it was resumed has no steps.
        if self.hparams.folder and self.test_function:
            steps = {"train": self.train_function, "evaluation": self.test_function}
            counts = {name: count_collectives(function) for name, function in steps.items()}
            Path(self.hparams.folder, f"{os.getpid()}.collectives").write_text(json.dumps(counts))
        return history


class Recorded(Counted):
    """Appends `<optimizer step>: <ids of the real rows>` to <folder>/<process id>.txt in each training step.

    Its steps return one figure more than the metrics.
    """

    def train_step(self, data):
        x, _, weight = keras.utils.unpack_x_y_sample_weight(data)
        weight = tf.ones_like(x["id"][:, 0], tf.float32) if weight is None else weight
        noted = tf.py_function(self.note, [self.optimizer.iterations, x["id"][:, 0], weight], tf.int64)
        with tf.control_dependencies([noted]):
            return self.with_more(super().train_step(data))

    def test_step(self, data):
        return self.with_more(super().test_step(data))

    def with_more(self, figures):
        return figures | {"twice": 2 * self.metrics[0].result()}

    def note(self, step, ids, weight):
        if self.hparams.step_seconds:
            time.sleep(self.hparams.step_seconds)
        if self.hparams.folder:
            real = ids.numpy()[weight.numpy() > 0]
            with Path(self.hparams.folder, f"{os.getpid()}.txt").open("a") as file:
                file.write(f"{int(step)}: {' '.join(map(str, real))}\n")
        return step


class Pairs(keras.Model):
    """Takes it that a batch is a pair, as it is on one device."""

    def train_step(self, data):
        x, y = data
        return super().train_step((x, y))


class Balance(keras.metrics.Metric):
    """The harmonic mean of two metrics, with a condition on one of them."""

    def __init__(self):
        super().__init__(name="balance")
        self.right, self.sure = keras.metrics.SparseCategoricalAccuracy(), keras.metrics.Mean()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.right.update_state(y_true, y_pred, sample_weight)
        self.sure.update_state(tf.reduce_max(y_pred, axis=-1), sample_weight)

    def result(self):
        right = self.right.result()
        if right > 0.0:
            sure = self.sure.result()
            right = 2 * right * sure / (right + sure)
        return right

    def reset_state(self):
        self.right.reset_state()
        self.sure.reset_state()


def count_collectives(function):
    """Returns how many collective operations a tf.function's graphs have at most."""
    graphs = [concrete.graph.as_graph_def() for concrete in function._list_all_concrete_functions()]
    nodes = [[*graph.node, *(node for inner in graph.library.function for node in inner.node_def)] for graph in graphs]
    return max(sum(node.op.startswith("Collective") for node in found) for found in nodes)


def build_model(hparams):
    if hparams.fail:
        raise KeyError(hparams.fail)
    inputs = {
        "x": keras.Input((features.WIDTH,), name="x"),
        "id": keras.Input((1,), name="id", dtype="int64"),
    }
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")(inputs["x"])
    if hparams.normalise:
        hidden = keras.layers.BatchNormalization(name="normal")(hidden)
    output = keras.layers.Dense(3, activation="softmax", name="probabilities", dtype="float32")(hidden)
    kind = Pairs if hparams.pairs else Recorded if hparams.own_step else Counted
    model = kind(inputs, {"probabilities": output}, name="recorded")
    model.hparams = hparams
    model.compile(
        optimizer=(keras.optimizers.legacy.SGD if hparams.legacy else keras.optimizers.SGD)(
            hparams.learning_rate, momentum=0.9
        ),
        loss={"probabilities": keras.losses.SparseCategoricalCrossentropy()},
        metrics={"probabilities": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
        weighted_metrics={"probabilities": [Balance()]} if hparams.balance else [],
    )
    return model
