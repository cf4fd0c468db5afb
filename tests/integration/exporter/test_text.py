"""What a preprocessing_fn does with strings leaves TensorFlow, or is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from tests.integration.exporter.small_project import make_project

pytestmark = pytest.mark.pipeline

SCHEMA = """
feature { name: "word" type: BYTES value_count { min: 1 max: 1 } presence { min_count: 1 } }
feature { name: "day" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "y" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
"""
ROWS = [
    {"word": ("Café", None, "São Paulo", "b c")[at % 4], "day": f"2024-0{at % 9 + 1}-11", "y": at % 2}
    for at in range(60)
]


def dense(word, filler=""):
    import tensorflow as tf

    sparse = tf.SparseTensor(word.indices, word.values, [word.dense_shape[0], 1])
    return tf.reshape(tf.sparse.to_dense(sparse, filler), [-1, 1])


def look_up(value):
    import tensorflow as tf
    import tensorflow_transform as tft

    return tf.cast(tft.compute_and_apply_vocabulary(value, num_oov_buckets=1, vocab_filename="words"), tf.float32)


def compare(word):
    import tensorflow as tf

    return tf.cast(tf.equal(word, "São Paulo"), tf.float32) + 2.0 * tf.cast(tf.equal(word, ""), tf.float32)


def make(folder, feature):
    def build():
        import tf_keras as keras

        given = keras.Input((1,), name="x")
        return keras.Model({"x": given}, {"score": keras.layers.Dense(1, activation="sigmoid")(given)})

    return make_project(folder, SCHEMA, ROWS, lambda inputs: {"x": feature(inputs), "y": inputs["y"]}, build, "y")


FEATURES = {
    "vocabulary": lambda inputs: look_up(dense(inputs["word"])),
    "comparison": lambda inputs: compare(dense(inputs["word"])),
    "vocabulary, a known word": lambda inputs: look_up(dense(inputs["word"], "São Paulo")),
    "vocabulary, another word": lambda inputs: look_up(dense(inputs["word"], "fehlt")),
    "comparison, a known word": lambda inputs: compare(dense(inputs["word"], "São Paulo")),
}


@pytest.mark.parametrize("kind", list(FEATURES))
def test_a_missing_word_may_be_filled_with_any_text(tmp_path, kind):
    from hilir.components.exporter.edge_model import prepare
    from hilir.components.exporter.expected_answers import check_program, raw_inputs
    from hilir.components.exporter.tflite.tflite_convert import convert
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel
    from hilir.components.exporter.transform.transform_program import Program

    project = make(tmp_path / kind, FEATURES[kind])
    edge = prepare(str(project.model), str(tmp_path))
    assert edge.refusal is None
    assert Program.from_json(edge.program.to_json()) == edge.program
    check_program(edge, project.rows())
    answers = project.answers()["score"]
    assert len(np.unique(answers)) >= 2
    found = TFLiteModel(convert(edge.raw, "float32")).predict(raw_inputs(edge, project.rows()))["score"]
    np.testing.assert_allclose(found, answers, atol=1e-6)


def test_the_page_computes_it_too(tmp_path):
    from hilir.components.exporter.export_input import Subject
    from hilir.components.exporter.parity import MetricSpec
    from hilir.components.exporter.settings import TFJSSettings
    from hilir.components.exporter.tfjs.tfjs_export import export_tfjs

    def features(inputs):
        filled = dense(inputs["word"], "São Paulo")
        return FEATURES["vocabulary"](inputs) + 4.0 * FEATURES["comparison"](inputs) + 8.0 * compare(filled)

    project = make(tmp_path / "both", features)
    bounds = {"float32": {"difference": 1e-5, "agreement": 1.0, "metric_loss": 1e-5}}
    settings = TFJSSettings.model_validate({"variants": ["float32"], "bounds": bounds})
    metric = MetricSpec("mse", "MeanSquaredError", {}, "lower")
    report = export_tfjs(Subject("small", str(project.model), project.rows(), metric), settings, str(tmp_path))
    assert report["variants"]["float32"]["kept"], report["variants"]["float32"]["reasons"]


def part_of_a_date(inputs):
    import tensorflow as tf

    return tf.strings.to_number(tf.strings.substr(inputs["day"], 5, 2))


def count_of_words(inputs):
    import tensorflow as tf

    words = tf.strings.split(tf.reshape(dense(inputs["word"]), [-1]))
    return tf.reshape(tf.cast(words.row_lengths(), tf.float32), [-1, 1])


def sparse_split(inputs):
    import tensorflow as tf

    words = tf.compat.v1.string_split(tf.reshape(inputs["day"], [-1]), "-")
    return tf.reshape(tf.sparse.reduce_sum(tf.SparseTensor(words.indices, tf.strings.to_number(words.values),
                                                           words.dense_shape), axis=1), [-1, 1])  # fmt: skip


def own_pattern(inputs):
    import tensorflow as tf

    return tf.strings.to_number(tf.strings.regex_replace(inputs["day"], "-.*", ""))


def branch(inputs):
    import tensorflow as tf

    length = tf.cast(tf.strings.length(inputs["day"]), tf.float32)
    return tf.cond(tf.reduce_all(length > 3.0), lambda: length + 1.0, lambda: length)


def mapped(inputs):
    import tensorflow as tf

    return tf.map_fn(lambda day: tf.cast(tf.strings.length(day), tf.float32), inputs["day"], tf.float32)


@pytest.mark.parametrize("feature", [part_of_a_date, count_of_words, sparse_split, own_pattern, branch, mapped])
def test_what_cannot_leave_tensorflow_is_refused_in_a_sentence(tmp_path, feature):
    from hilir.components.exporter.edge_model import prepare

    project = make(tmp_path / "project", feature)
    edge = prepare(str(project.model), str(tmp_path))
    assert (edge.raw, edge.program) == (None, None)
    assert "cannot be done outside TensorFlow; write preprocessing_fn with" in edge.refusal
