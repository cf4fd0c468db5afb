"""Models with recurrent layers, which the converters know by their functions' names and for one row at a time only."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.integration.exporter.small_project import make_project

pytestmark = pytest.mark.pipeline

LENGTH = 6
WORDS = ("good", "bad", "Zürich", "so", "")
SCHEMA = f"""
feature {{ name: "words" type: BYTES presence {{ min_fraction: 1 }} shape {{ dim {{ size: {LENGTH} }} }} }}
feature {{ name: "y" type: INT presence {{ min_fraction: 1 }} shape {{ dim {{ size: 1 }} }} }}
"""


def preprocess(inputs):
    import tensorflow_transform as tft

    return {"words": tft.compute_and_apply_vocabulary(inputs["words"], num_oov_buckets=1), "y": inputs["y"]}


def build(kind):
    import tf_keras as keras

    layers = {
        "lstm": keras.layers.LSTM(8),
        "gru": keras.layers.GRU(8),
        "unrolled": keras.layers.GRU(8, unroll=True),
        "both_ways": keras.layers.Bidirectional(keras.layers.LSTM(4)),
    }
    words = keras.Input((LENGTH,), name="words", dtype="int64")
    hidden = layers[kind](keras.layers.Embedding(8, 5)(words))
    return keras.Model({"words": words}, {"score": keras.layers.Dense(1, activation="sigmoid")(hidden)})


def make(folder, kind):
    random = np.random.default_rng(7)
    rows = [{"words": [WORDS[at] for at in random.integers(0, 5, LENGTH)], "y": at % 2} for at in range(60)]
    return make_project(folder, SCHEMA, rows, preprocess, lambda: build(kind), "y")


@pytest.fixture(scope="module", params=["lstm", "both_ways", "gru"])
def project(request, tmp_path_factory):
    return make(tmp_path_factory.mktemp(request.param), request.param)


def subject_of(project):
    from hilir.components.exporter.export_input import Subject
    from hilir.components.exporter.parity import MetricSpec

    return Subject("small", str(project.model), project.rows(), MetricSpec("mse", "MeanSquaredError", {}, "lower"))


def bounds(difference):
    # The models are not trained: their answers are all near 0.5, on either side.
    return {"difference": difference, "agreement": 0.0, "metric_loss": 0.01}


def export_lite(project, folder, **variants):
    from hilir.components.exporter.settings import TFLiteSettings
    from hilir.components.exporter.tflite.tflite_export import export_tflite

    values = {
        "variants": list(variants),
        "inputs": "raw",
        "calibration": 50,
        "bounds": variants,
    }
    settings = TFLiteSettings.model_validate(values)
    return export_tflite(subject_of(project), project.rows(), settings, str(folder))["variants"]


def test_tensorflow_lite_takes_one_row_at_a_time_and_says_so(project, tmp_path):
    figures = export_lite(project, tmp_path, float32=bounds(1e-5))["float32"]
    assert figures["kept"], figures["reasons"]
    assert figures["signature"]["inputs"]["words"] == {"dtype": "string", "shape": [1, LENGTH]}
    assert figures["notes"] == [
        "takes one row at a time, reset its variables before each: the converter cannot do any number of rows"
    ]
    assert not any(name.startswith("Flex") for name in figures["operators"])


def test_a_fused_layer_is_one_operator_in_int8_too(tmp_path):
    project = make(tmp_path / "lstm", "lstm")
    (tmp_path / "out").mkdir()
    figures = export_lite(project, tmp_path / "out", int8=bounds(0.05))["int8"]
    assert figures["kept"], figures["reasons"]
    assert figures["operators"]["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 1


def test_an_unrolled_layer_is_no_loop_and_has_integers(tmp_path):
    project = make(tmp_path / "unrolled", "unrolled")
    (tmp_path / "out").mkdir()
    figures = export_lite(project, tmp_path / "out", int8=bounds(0.05))["int8"]
    assert figures["kept"], figures["reasons"]
    assert "WHILE" not in figures["operators"]


REFUSED = {
    "lstm": (
        "int16x8",
        "Quantization to 16x8-bit not yet supported for op: 'UNIDIRECTIONAL_SEQUENCE_LSTM'; "
        "use other operations in the model, try another variant, or --verbose for the whole message",
    ),
    "gru": (
        "int8",
        "a recurrent layer such as GRU is a loop, which int8 cannot have ('tf.TensorListReserve' op requires "
        "element_shape to be static during TF Lite transformation pass); build the layer with unroll=True and a fixed "
        "length, use LSTM, or the variants dynamic_range or float16, or --verbose for the whole message",
    ),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_the_reason_of_a_failed_conversion_is_the_converters_own(tmp_path, kind):
    from hilir.components.exporter.errors import ExportError

    variant, reason = REFUSED[kind]
    project = make(tmp_path / kind, kind)
    with pytest.raises(ExportError, match=f"TensorFlow Lite {variant}: the converter failed: {re.escape(reason)}"):
        export_lite(project, tmp_path, **{variant: bounds(0.05)})


def test_tensorflow_js_computes_it(project, tmp_path):
    from hilir.components.exporter.settings import TFJSSettings
    from hilir.components.exporter.tfjs.tfjs_export import export_tfjs

    settings = TFJSSettings.model_validate({"variants": ["float32"], "bounds": {"float32": bounds(1e-5)}})
    figures = export_tfjs(subject_of(project), settings, str(tmp_path))["variants"]["float32"]
    assert figures["kept"], figures["reasons"]
