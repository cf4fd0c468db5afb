"""Columns that preprocessing_fn needs in each row: an empty cell is answered as the typical value is, in each way."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.integration.exporter.small_project import make_project, to_example
from tests.integration.serving.server_process import running

pytestmark = pytest.mark.pipeline

ONE = "presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } }"


def tag(value):
    return "annotation { tag: " + json.dumps(f"hilir.typical={json.dumps(value)}") + " }"


SCHEMA = f"""
feature {{ name: "size" type: FLOAT {ONE} {tag(2.5)} }}
feature {{ name: "count" type: INT {ONE} {tag(3)} }}
feature {{ name: "island" type: BYTES {ONE} {tag("Dream")} }}
feature {{ name: "y" type: INT {ONE} }}
"""
ROWS = [
    {"size": at / 4, "count": at % 5, "island": ("Biscoe", "Dream", "Torgersen")[at % 3], "y": at % 2}
    for at in range(60)
]


def preprocess(inputs):
    import tensorflow as tf
    import tensorflow_transform as tft

    island = tft.compute_and_apply_vocabulary(inputs["island"], num_oov_buckets=1)
    numbers = {name: tf.cast(inputs[name], tf.float32) / 10.0 for name in ("size", "count")}
    return numbers | {"island": tf.cast(island, tf.float32), "y": inputs["y"]}


def build():
    import tf_keras as keras

    inputs = {name: keras.Input((1,), name=name) for name in ("size", "count", "island")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    return keras.Model(inputs, {"score": keras.layers.Dense(1, "sigmoid")(keras.layers.Dense(8, "tanh")(joined))})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    found = make_project(tmp_path_factory.mktemp("empty"), SCHEMA, ROWS, preprocess, build, "y")
    (found.model / "manifest.json").write_text("{}")
    return found


def test_an_empty_cell_is_answered_as_the_typical_value(project):
    import tensorflow as tf

    whole = {"size": 1.0, "count": 1, "island": "Biscoe"}
    typical = {"size": 2.5, "count": 3, "island": "Dream"}
    empty = [whole | dict.fromkeys(names) for names in (["size"], ["count"], ["island"], list(whole))]
    filled = [{name: typical[name] if row[name] is None else row[name] for name in row} for row in empty]
    ask = tf.saved_model.load(str(project.model)).signatures["examples"]
    expected = ask(examples=tf.constant([to_example(row) for row in filled]))["score"].numpy()
    assert len(np.unique(expected.round(6))) == 4
    found = ask(examples=tf.constant([to_example(row) for row in empty]))["score"].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with running(model_name="small", model_base_path=str(project.model.parent)) as server:
        answers = server.post("small:predict", {"instances": empty}).json()["predictions"]
    np.testing.assert_allclose(answers, expected, atol=1e-6)


def test_rows_without_an_empty_cell_are_answered_as_before(project):
    import tensorflow as tf

    found = tf.saved_model.load(str(project.model)).signatures["serving_default"](
        **{name: tf.constant(value) for name, value in project.inputs().items()}
    )
    np.testing.assert_allclose(found["score"].numpy(), project.answers()["score"], atol=1e-6)


def test_a_device_gets_numbers_without_a_stand_in(tmp_path):
    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.tflite.tflite_convert import convert
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel

    schema = f'feature {{ name: "size" type: FLOAT {ONE} {tag(2.5)} }} feature {{ name: "y" type: INT {ONE} }}'
    rows = [{"size": row["size"], "y": row["y"]} for row in ROWS]

    def network():
        import tf_keras as keras

        size = keras.Input((1,), name="size")
        return keras.Model({"size": size}, {"score": keras.layers.Dense(1, "sigmoid")(size)})

    found = make_project(
        tmp_path, schema, rows, lambda inputs: {"size": inputs["size"], "y": inputs["y"]}, network, "y"
    )
    edge = prepare(str(found.model), str(tmp_path / "edge"))
    sizes = {"size": np.array([row["size"] for row in rows], np.float32)}
    model = TFLiteModel(convert(edge.network, "int8", sizes))
    np.testing.assert_allclose(model.predict(sizes)["score"], found.answers()["score"], atol=0.05)
