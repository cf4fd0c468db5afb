"""A transformed feature that is sparse, since rows may lack the column: what leaves TensorFlow has one value a row."""

from __future__ import annotations

import numpy as np
import pytest

from tests.integration.exporter.small_project import make_project

pytestmark = pytest.mark.pipeline

SCHEMA = """
feature { name: "city" type: BYTES value_count { max: 1 } }
feature { name: "y" type: INT presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } } }
"""
ROWS = [{"city": ("Köln", "Zürich", None, "São Paulo", "Köln")[at % 5], "y": at % 2} for at in range(60)]


def preprocess(inputs):
    import tensorflow_transform as tft

    return {"city": tft.compute_and_apply_vocabulary(inputs["city"], num_oov_buckets=1), "y": inputs["y"]}


def dense():
    import tensorflow as tf
    import tf_keras as keras

    city = keras.Input((None,), name="city", dtype="int64", sparse=True)
    # Without the first value: the most frequent city, which a missing one is taken for.
    one = keras.layers.Lambda(lambda value: tf.one_hot(tf.sparse.to_dense(value)[:, 0], 4)[:, 1:])(city)
    return keras.Model({"city": city}, {"score": keras.layers.Dense(1, "sigmoid")(one)})


def embedded():
    import tf_keras as keras

    city = keras.Input((1,), name="city", dtype="int64")
    one = keras.layers.Flatten()(keras.layers.Embedding(4, 2)(city))
    return keras.Model({"city": city}, {"score": keras.layers.Dense(1, "sigmoid")(one)})


def test_a_device_answers_as_the_server_does(tmp_path):
    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.expected_answers import raw_inputs
    from hilir.components.exporter.tflite.tflite_convert import convert
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel

    found = make_project(tmp_path, SCHEMA, ROWS, preprocess, dense, "y")
    edge = prepare(str(found.model), str(tmp_path / "edge"))
    assert edge.program.outputs["city"].shape == (1,)
    answers = found.answers()["score"]
    assert len(np.unique(answers.round(6))) == 3
    answered = TFLiteModel(convert(edge.raw, "float32")).predict(raw_inputs(edge, found.rows()))["score"]
    np.testing.assert_allclose(answered, answers, atol=1e-6)


def test_a_layer_that_takes_it_as_it_is_cannot_leave_tensorflow(tmp_path):
    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.errors import ExportError
    from hilir.components.exporter.tflite.tflite_convert import convert

    found = make_project(tmp_path, SCHEMA, ROWS, preprocess, embedded, "y")
    edge = prepare(str(found.model), str(tmp_path / "edge"))
    with pytest.raises(
        ExportError, match=r"cannot do tf\.Sparse.*; give the model dense features: tf\.sparse\.to_dense"
    ):
        convert(edge.raw, "float32")
