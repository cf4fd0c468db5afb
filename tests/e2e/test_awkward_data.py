"""Anybody's data: names with spaces and umlauts, text, bytes, missing values and lists, from a run to the server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hilir.serving.client import RestClient
from hilir.serving.release.golden_replay import replay_golden
from hilir.serving.release.targets.rest import RestCaller
from hilir.serving.releases.release_store import Store
from tests.integration.exporter.small_project import ask_session, to_example
from tests.integration.serving.server_process import running

pytestmark = pytest.mark.pipeline

NUMBERS = (
    "Order Total", "order_total", "items.count", "total-price", "2nd_floor", "class", "self", "a:b", "Preis (EUR)",
    "_hidden", "m²",
)  # fmt: skip
CITIES = ("Café", "São Paulo", "Zürich")
YAML = """
model: {name: awkward, package: awkward}
data: {path: data, format: tfrecord}
train: {epochs: 2, batch_size: 64, tensorboard: false}
evaluate:
  metrics: [{name: auc, class: AUC}, {name: example_count, class: ExampleCount}]
  slices: {pool: {features: [Has Pool]}}
  thresholds: [{metric: auc, min: 0.1}]
"""
FEATURES = f'LABEL = "Sold?"\nLABEL_COLUMNS = ("Sold?",)\nNUMBERS = {NUMBERS!r}\n'
PREPROCESSING = """
import tensorflow as tf
import tensorflow_transform as tft

from awkward import features


def preprocessing_fn(inputs):
    outputs = {name: tft.scale_to_z_score(dense(inputs[name], 0.0)) for name in features.NUMBERS}
    outputs["Has Pool"] = tft.compute_and_apply_vocabulary(inputs["Has Pool"], num_oov_buckets=1, vocab_filename="pool")
    outputs["image/encoded"] = tf.cast(tf.strings.length(inputs["image/encoded"]), tf.float32)
    tags = tft.compute_and_apply_vocabulary(inputs["Tags"], num_oov_buckets=1, vocab_filename="tags")
    ones = tags.with_values(tf.cast(tags.values + 1, tf.float32))
    outputs["Tags"] = tf.reshape(tf.sparse.reduce_sum(ones, axis=1), [-1, 1])
    outputs[features.LABEL] = inputs[features.LABEL]
    return outputs


def dense(value, missing):
    if isinstance(value, tf.SparseTensor):
        value = tf.sparse.to_dense(tf.SparseTensor(value.indices, value.values, [value.dense_shape[0], 1]), missing)
    return tf.reshape(value, [-1, 1])
"""
MODEL = """
import tf_keras as keras
from pydantic import BaseModel

from awkward import features


class Hyperparameters(BaseModel):
    units: int = 8


def build_model(hparams):
    names = [*features.NUMBERS, "Has Pool", "image/encoded", "Tags"]
    inputs = {name: keras.Input((1,), name=name) for name in names}
    hidden = keras.layers.Dense(hparams.units, activation="relu")(keras.layers.Concatenate()(list(inputs.values())))
    model = keras.Model(inputs, {"Wahrscheinlichkeit (%)": keras.layers.Dense(1, activation="sigmoid")(hidden)})
    model.compile("adam", {"Wahrscheinlichkeit (%)": "binary_crossentropy"})
    return model
"""


def make_rows(count):
    random = np.random.default_rng(2)
    return [
        {name: float(np.float32(value)) for name, value in zip(NUMBERS, random.normal(size=len(NUMBERS)), strict=True)}
        | {
            "m²": None if at % 4 == 0 else float(at),
            "Has Pool": CITIES[at % 3],
            "image/encoded": b"\x89PNG\xff" + bytes(at % 5),
            "Tags": [CITIES[tag] for tag in random.integers(0, 3, random.integers(0, 6))],
            "Sold?": int(random.integers(0, 2)),
        }
        for at in range(count)
    ]


@pytest.fixture(scope="module")
def awkward(make_place):
    """The place, the summary of its run, and its rows."""
    import tensorflow as tf

    place = make_place("awkward")
    package = place.root / "project" / "awkward"
    (package.parent / "data").mkdir(parents=True)
    package.mkdir()
    for name, text in {"__init__": "", "features": FEATURES, "preprocessing": PREPROCESSING, "model": MODEL}.items():
        (package / f"{name}.py").write_text(text)
    (package.parent / "awkward.yaml").write_text(YAML)
    rows = make_rows(600)
    with tf.io.TFRecordWriter(str(package.parent / "data" / "rows.tfrecord")) as writer:
        for row in rows:
            writer.write(to_example(row))
    config = str(package.parent / "awkward.yaml")
    return place, place.run(config, "--set", f"data.path={package.parent / 'data'}"), rows


def test_the_run_pushes_a_version_whose_signatures_have_the_names_of_the_data(awkward):
    _, result, _ = awkward
    assert result["status"] == "succeeded"
    manifest = json.loads((Path(result["version_path"]) / "manifest.json").read_text())
    signature = manifest["signatures"]["serving_default"]
    assert set(signature["inputs"]) == {*NUMBERS, "Has Pool", "image/encoded", "Tags"}
    assert signature["inputs"]["Tags"] == {"dtype": "string", "shape": [-1, -1]}
    assert set(signature["outputs"]) == {"Wahrscheinlichkeit (%)"}
    assert manifest["parameters"]["serving_default"]["Preis (EUR)"] == "Preis__EUR_"


def test_the_server_answers_rows_by_name_as_it_does_serialized_ones(awkward):
    place, result, rows = awkward
    records = [to_example(row) for row in rows[:200]]
    (expected,) = ask_session(Path(result["version_path"]), "examples", {"examples": records}).values()
    inputs = {name: [row[name] for row in rows[:200]] for name in rows[0] if name != "Sold?"}
    with running(model_name="awkward", model_base_path=str(place.models / "awkward")) as server:
        assert replay_golden(Store(place.models), "awkward", 1, [server.base], RestCaller()) == 8
        with RestClient(server.base) as client:
            found = client.predict("awkward", inputs).outputs["Wahrscheinlichkeit (%)"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
