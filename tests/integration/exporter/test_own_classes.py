"""A package that turns its label into numbers by itself: the classes get the names that its numbers stand for."""

from __future__ import annotations

import json

import numpy as np

from tests.integration.exporter.small_project import make_project

SCHEMA = """
feature { name: "x" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature {
  name: "species" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } }
  string_domain { value: "Adelie" value: "Chinstrap" value: "Gentoo" }
}
"""
# The vocabulary is ordered by frequency: the most frequent one is class 0.
ROWS = [
    {"x": float(at % 5), "species": ("Gentoo", "Gentoo", "Gentoo", "Adelie", "Adelie", "Chinstrap")[at % 6]}
    for at in range(48)
]


def preprocess(inputs):
    import tensorflow_transform as tft

    return {"x": inputs["x"], "species": tft.compute_and_apply_vocabulary(inputs["species"])}


def build():
    import tf_keras as keras

    x = keras.Input((1,), name="x")
    return keras.Model(x, keras.layers.Dense(3, "softmax")(x))


def test_the_names_are_in_the_order_of_the_numbers(tmp_path):
    import tensorflow as tf

    from hilir.components.pusher.manifest import describe_classes

    project = make_project(tmp_path, SCHEMA, ROWS, preprocess, build, "species")
    assert describe_classes(str(project.model), {}) == {"species": ["Gentoo", "Adelie", "Chinstrap"]}
    signatures = tf.saved_model.load(str(project.model)).signatures
    label = signatures["label"](examples=tf.constant(project.records))["species"].numpy()[:, 0]
    assert [("Gentoo", "Adelie", "Chinstrap")[number] for number in label] == [row["species"] for row in ROWS]
    # With a number as its label a model answers as it always did.
    assert list(signatures["serving_default"].structured_outputs) == ["output"]
    golden = (project.model / "assets.extra/golden.jsonl").read_text().splitlines()
    assert np.sum(json.loads(golden[0])["outputs"]["output"]) > 0.999
