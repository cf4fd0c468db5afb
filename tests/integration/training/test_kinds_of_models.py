"""Every kind of Keras model trains and is exported: the SavedModel answers what the trained network does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from hilir.components.errors import ModelPackageError
from hilir.components.trainer.fit import build_network
from hilir.components.trainer.model_data import make_model_data
from hilir.components.trainer.model_package import load_package
from hilir.components.trainer.network import name_outputs, select_inputs
from hilir.components.trainer.state.weights import load_weights
from hilir.components.trainer.train import train

HEAD = """
import tensorflow as tf
import tf_keras as keras
from pydantic import BaseModel
class Hyperparameters(BaseModel):
    folder: str
def inputs():
    return {'x': keras.Input((6,), name='x'), 'id': keras.Input((1,), name='id', dtype='int64')}
"""
COMPILE = "    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])\n    return model\n"
KINDS = {
    "one tensor": (
        "def build_model(hparams):\n    i = inputs()\n"
        "    model = keras.Model(i, keras.layers.Dense(3, 'softmax')(keras.layers.Dense(8)(i['x'])))\n" + COMPILE,
        {"output": (3,)},
    ),
    "a named layer": (
        "def build_model(hparams):\n    i = inputs()\n"
        "    model = keras.Model(i, keras.layers.Dense(3, 'softmax', name='species')(i['x']))\n" + COMPILE,
        {"species": (3,)},
    ),
    "sequential": (
        "def build_model(hparams):\n    model = keras.Sequential([keras.Input((6,), name='x'),"
        "keras.layers.BatchNormalization(), keras.layers.Dropout(0.2), keras.layers.Dense(3, 'softmax')])\n" + COMPILE,
        {"output": (3,)},
    ),
    "a list": (
        "def build_model(hparams):\n    i = inputs()\n"
        "    p = keras.layers.Dense(3, 'softmax')(i['x'])\n    hidden = keras.layers.Dense(2)(i['x'])\n"
        "    model = keras.Model(i, [p, hidden])\n"
        "    model.compile('adam', ['sparse_categorical_crossentropy', None])\n    return model\n",
        {"output_0": (3,), "output_1": (2,)},
    ),
    "nested dictionaries": (
        "def build_model(hparams):\n    i = inputs()\n"
        "    p = keras.layers.Dense(3, 'softmax')(i['x'])\n"
        "    model = keras.Model(i, {'species': p, 'more': {'top': keras.layers.Dense(1)(p), 'low': p}})\n"
        "    losses = {'species': 'sparse_categorical_crossentropy', 'more': {'top': None, 'low': None}}\n"
        "    model.compile('adam', losses)\n"
        "    return model\n",
        {"species": (3,), "more_top": (1,), "more_low": (3,)},
    ),
    "two with one loss": (
        "def build_model(hparams):\n    i = inputs()\n"
        "    p = keras.layers.Dense(3, 'softmax')(i['x'])\n"
        "    model = keras.Model(i, {'species': p, 'embedding': keras.layers.Dense(4)(i['x'])})\n"
        "    model.compile('adam', {'species': 'sparse_categorical_crossentropy'})\n    return model\n",
        {"species": (3,), "embedding": (4,)},
    ),
    "subclassed": (
        "class Own(keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.hidden = keras.layers.Dense(8, 'relu')\n        self.top = keras.layers.Dense(3, 'softmax')\n"
        "    def call(self, features, training=False):\n        return self.top(self.hidden(features['x']))\n"
        "def build_model(hparams):\n    model = Own()\n" + COMPILE,
        {"output": (3,)},
    ),
    "own step, layer, loss and metric": (
        "class Scale(keras.layers.Layer):\n    def build(self, shape):\n"
        "        self.scale = self.add_weight('scale', shape[-1:], initializer='ones')\n"
        "    def call(self, x):\n        return x * self.scale\n"
        "class Loss(keras.losses.Loss):\n    def call(self, y, p):\n"
        "        return keras.losses.sparse_categorical_crossentropy(y, p)\n"
        "class Hits(keras.metrics.Mean):\n    def update_state(self, y, p, sample_weight=None):\n"
        "        hit = tf.cast(tf.equal(tf.cast(y[:, 0], tf.int64), tf.argmax(p, -1)), tf.float32)\n"
        "        return super().update_state(hit, sample_weight)\n"
        "class Own(keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.scale = Scale()\n        self.top = keras.layers.Dense(3, 'softmax')\n"
        "        self.own = keras.metrics.Mean(name='own')\n"
        "    def compile(self, optimizer, own_loss):\n        super().compile(optimizer, metrics=[Hits(name='hits')])\n"
        "        self.own_loss = own_loss\n"
        "    def call(self, features, training=False):\n        return {'p': self.top(self.scale(features['x']))}\n"
        "    def train_step(self, data):\n        x, y = data\n        with tf.GradientTape() as tape:\n"
        "            p = self(x, training=True)\n            loss = tf.reduce_mean(self.own_loss(y, p['p']))\n"
        "        found = tape.gradient(loss, self.trainable_variables)\n"
        "        self.optimizer.apply_gradients(zip(found, self.trainable_variables))\n"
        "        self.own.update_state(loss)\n        return {'loss': self.own.result()}\n"
        "    def test_step(self, data):\n        x, y = data\n"
        "        self.own.update_state(self.own_loss(y, self(x)['p']))\n"
        "        return {'loss': self.own.result()}\n"
        "def build_model(hparams):\n    model = Own()\n    model.compile('adam', Loss())\n    return model\n",
        {"p": (3,)},
    ),
    "tables and a recurrent layer": (
        "def build_model(hparams):\n    i = inputs()\n"
        "    words = keras.layers.StringLookup(vocabulary=[str(n) for n in range(50)])(tf.strings.as_string(i['id']))\n"
        "    v = keras.layers.Flatten()(keras.layers.Embedding(51, 3)(words))\n"
        "    steps = keras.layers.LSTM(4)(keras.layers.Reshape((6, 1))(i['x']))\n"
        "    model = keras.Model(i, keras.layers.Dense(3, 'softmax')(keras.layers.Concatenate()([v, steps])))\n"
        + COMPILE,
        {"output": (3,)},
    ),
    "layers adapted to data": (
        "def build_model(hparams):\n    i = inputs()\n    text = tf.strings.as_string(i['id'])\n"
        "    lookup = keras.layers.StringLookup(output_mode='one_hot')\n"
        "    lookup.adapt([str(n) for n in range(50)])\n"
        "    words = keras.layers.TextVectorization(output_mode='multi_hot')\n"
        "    words.adapt(['1 2 3', '10 20 30'])\n"
        "    scale = keras.layers.Normalization()\n    scale.adapt(tf.random.stateless_normal([64, 6], (1, 2)))\n"
        "    parts = [lookup(text), words(text), scale(i['x'])]\n"
        "    model = keras.Model(i, keras.layers.Dense(3, 'softmax')(keras.layers.Concatenate()(parts)))\n" + COMPILE,
        {"output": (3,)},
    ),
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns a function that writes a package on the data of `recorded`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"kind_{abs(hash(str(tmp_path)))}"

    def make(model: str, features: str = "LABEL = 'label'\nLABEL_COLUMNS = ('label',)\n") -> str:
        folder = tmp_path / name
        folder.mkdir()
        files = {
            "__init__": "",
            "features": features,
            "preprocessing": "def preprocessing_fn(inputs):\n    return dict(inputs)\n",
            "model": HEAD + model,
        }
        for part, content in files.items():
            (folder / f"{part}.py").write_text(content)
        return name

    yield make
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def network_of(site, name: str):
    package = load_package(name)
    data = make_model_data(tft.TFTransformOutput(site.job().transform_output), package, {})
    network = build_network(package, {"folder": str(site.ids)}, data)
    load_weights(site.job().run_dir, network)
    return network


@pytest.mark.parametrize("kind", KINDS)
def test_the_savedmodel_answers_what_the_network_does(kind, site, write):
    model, shapes = KINDS[kind]
    name = write(model)
    settings = ("train.epochs=2", "train.early_stopping={monitor: val_loss, patience: 2}")
    train(site.job(*settings, package=name), "one_device")
    assert len(site.figures()) == 2
    exported = tf.saved_model.load(site.job().model_dir)
    records = list(tf.data.TFRecordDataset(str(site.data / "eval-00000-of-00001.gz"), "GZIP").as_numpy_iterator())
    answers = exported.signatures["examples"](examples=tf.constant(records))
    spec = {"x": tf.io.FixedLenFeature([6], tf.float32), "id": tf.io.FixedLenFeature([1], tf.int64)}
    features = tf.io.parse_example(records, spec)
    network = network_of(site, name)
    expected = name_outputs(network, network(select_inputs(network, features), training=False))
    assert answers.keys() == expected.keys()
    for output, value in expected.items():
        np.testing.assert_allclose(answers[output], value, atol=1e-6)
    assert {output: tuple(value.shape[1:]) for output, value in answers.items()} == shapes


def test_a_subclassed_model_is_trained_in_parts_and_started_warm(site, write):
    name = write(KINDS["subclassed"][0])
    first = site.job("train.epochs=3", package=name)
    train(first, "one_device")
    settings = ["train.epochs=1", "train.warm_start=weights_and_optimizer", "train.gradient_accumulation=2"]
    run = str(site.root / "second/Trainer/model_run/2")
    train(site.job(*settings, package=name, base_model=first.model_dir, run_dir=run), "one_device")
    figures = site.figures()
    assert figures[3]["loss"] < figures[2]["loss"]


def test_inputs_that_are_not_features_are_named(site, write):
    name = write(
        "def build_model(hparams):\n    model = keras.Sequential([keras.Input((6,), name='pixels'),"
        "keras.layers.Dense(3)])\n" + COMPILE
    )
    with pytest.raises(ModelPackageError) as raised:
        train(site.job("train.epochs=1", package=name), "one_device")
    assert str(raised.value) == (
        "the model 'sequential' has the inputs 'pixels', and preprocessing_fn returns the features 'id', 'x'; "
        "give each keras.Input the name of a feature"
    )


def test_a_tuple_of_labels_names_outputs_and_labels_alike(site, write):
    model = (
        "def build_model(hparams):\n    x = keras.Input((6,), name='x')\n"
        "    outputs = {'label': keras.layers.Dense(3, 'softmax', name='label')(x),\n"
        "        'id': keras.layers.Dense(1, name='id')(x)}\n"
        "    model = keras.Model({'x': x}, outputs)\n"
        "    model.compile('adam', {'label': 'sparse_categorical_crossentropy', 'id': 'mse'})\n    return model\n"
    )
    name = write(model, "LABEL = ('label', 'id')\nLABEL_COLUMNS = ('label', 'id')\n")
    train(site.job("train.epochs=1", package=name), "one_device")
    signatures = tf.saved_model.load(site.job().model_dir).signatures
    assert sorted(signatures["serving_default"].structured_outputs) == ["id", "label"]
    assert sorted(signatures["serving_default"].structured_input_signature[1]) == ["x"]
    assert sorted(signatures["label"].structured_outputs) == ["id", "label"]
    (event,) = [event for event in site.events if "epoch" in event]
    assert {"loss", "id_loss", "label_loss", "val_id_loss"} <= event.keys()


@pytest.mark.parametrize(
    "label", ["('species', 'again')", "{'species': 'label', 'again': 'label'}"], ids=["tuple", "dictionary"]
)
def test_several_labels(site, write, label):
    preprocessing = "" if label.startswith("{") else None
    model = (
        "def build_model(hparams):\n    i = inputs()\n    d = lambda: keras.layers.Dense(3, 'softmax')(i['x'])\n"
        "    model = keras.Model(i, [d(), d()])\n"
        "    model.compile('adam', ['sparse_categorical_crossentropy'] * 2)\n    return model\n"
    )
    name = write(model, f"LABEL = {label}\nLABEL_COLUMNS = ('label',)\n")
    if preprocessing is None:
        with pytest.raises(ModelPackageError, match=r"features\.LABEL is 'species', which preprocessing_fn does not"):
            train(site.job("train.epochs=1", package=name), "one_device")
        return
    train(site.job("train.epochs=1", package=name), "one_device")
    signatures = tf.saved_model.load(site.job().model_dir).signatures
    assert sorted(signatures["serving_default"].structured_outputs) == ["again", "species"]
    assert sorted(signatures["label"].structured_outputs) == ["label"]
