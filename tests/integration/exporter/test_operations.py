"""What preprocessing_fn may do and still leave TensorFlow: each operation in NumPy, TensorFlow Lite and JavaScript."""

from __future__ import annotations

import numpy as np
import pytest

from tests.integration.exporter.small_project import make_project

pytestmark = pytest.mark.pipeline

ONE = "value_count { min: 1 max: 1 } presence { min_count: 1 }"
SCHEMA = f"""
feature {{ name: "a" type: FLOAT {ONE} }}
feature {{ name: "b" type: FLOAT presence {{ min_fraction: 1 }} shape {{ dim {{ size: 1 }} }} }}
feature {{ name: "hour" type: INT presence {{ min_fraction: 1 }} shape {{ dim {{ size: 1 }} }} }}
feature {{ name: "y" type: INT presence {{ min_fraction: 1 }} shape {{ dim {{ size: 1 }} }} }}
"""
ROWS = [
    {
        "a": None if at % 7 == 0 else float(np.float32(at / 3 - 5)),
        "b": float(np.float32(at / 10)),
        "hour": at,
        "y": at % 2,
    }
    for at in range(60)
]


def preprocess(inputs):
    import tensorflow as tf
    import tensorflow_transform as tft

    a = inputs["a"]
    a = tf.sparse.to_dense(tf.SparseTensor(a.indices, a.values, [a.dense_shape[0], 1]), 0.0)
    both = tf.concat([tft.scale_to_0_1(a), tft.scale_to_z_score(inputs["b"])], axis=1)
    flat = tf.reshape(inputs["hour"], [-1])
    hour, day = tf.math.floormod(flat, 24), tf.math.floordiv(flat, 24)
    stacked = tf.stack([tf.cast(day, tf.float32), tf.sign(a[:, 0]), tf.math.ceil(a[:, 0])], axis=1)
    return {
        "both": tf.tanh(both) * both + inputs["b"] ** 2.0,
        "hour": tf.one_hot(hour, 24),
        "stacked": stacked,
        "y": inputs["y"],
    }


def build():
    import tf_keras as keras

    inputs = {name: keras.Input((size,), name=name) for name, size in (("both", 2), ("hour", 24), ("stacked", 3))}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    return keras.Model(inputs, {"score": keras.layers.Dense(1, "sigmoid", name="score")(joined)})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("operations"), SCHEMA, ROWS, preprocess, build, "y")


@pytest.fixture
def subject(project):
    from hilir.components.exporter.export_input import Subject
    from hilir.components.exporter.parity import MetricSpec

    return Subject("small", str(project.model), project.rows(), MetricSpec("mse", "MeanSquaredError", {}, "lower"))


def bounds(difference):
    return {"difference": difference, "agreement": 0.9, "metric_loss": 0.01}


def test_tensorflow_lite_takes_raw_features(project, subject, tmp_path):
    from hilir.components.exporter.settings import TFLiteSettings
    from hilir.components.exporter.tflite.tflite_export import export_tflite

    variants = {"float32": bounds(1e-5), "int8": bounds(0.1)}
    values = {"variants": list(variants), "inputs": "raw", "calibration": 50}
    settings = TFLiteSettings.model_validate(values | {"bounds": variants})
    figures = export_tflite(subject, project.rows(), settings, str(tmp_path))["variants"]
    assert {name: (found["kept"], found["takes"]) for name, found in figures.items()} == {
        "float32": (True, "raw"),
        "int8": (True, "transformed"),
    }


def test_javascript_computes_the_same(subject, tmp_path):
    from hilir.components.exporter.settings import TFJSSettings
    from hilir.components.exporter.tfjs.tfjs_export import export_tfjs

    settings = TFJSSettings.model_validate({"variants": ["float32"], "bounds": {"float32": bounds(1e-5)}})
    figures = export_tfjs(subject, settings, str(tmp_path))["variants"]["float32"]
    assert figures["kept"], figures["reasons"]
