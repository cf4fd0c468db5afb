"""The transform graph, written down and computed elsewhere, gives what TensorFlow gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hilir.components.exporter.transform.transform_program import Program


def expected(edge, rows):
    transformed = edge.loaded.signatures["transform_features"](examples=rows.tensor())
    return {name: value.numpy() for name, value in transformed.items()}


def test_numpy_computes_what_tensorflow_computes(edge, rows, columns):
    from hilir.components.exporter.transform.interpreter import transform

    program = Program.from_json(edge.program.to_json())
    assert program == edge.program
    found = transform(program, columns)
    for name, values in expected(edge, rows).items():
        assert found[name].dtype == values.dtype
        if values.dtype == np.float32:  # TensorFlow may multiply by an inverse where the graph divides
            np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_tensorflow_lite_model_computes_it_too(edge, rows):
    from hilir.components.exporter.expected_answers import raw_inputs
    from hilir.components.exporter.tflite.tflite_convert import convert
    from hilir.components.exporter.tflite.tflite_file import TFLiteModel

    (want,) = edge.loaded.signatures["examples"](examples=rows.tensor()).values()
    found = TFLiteModel(convert(edge.raw, "float32")).predict(raw_inputs(edge, rows))
    np.testing.assert_allclose(found["probability"], want.numpy(), atol=1e-5)


def test_missing_values_and_unknown_words_are_among_the_rows(columns):
    assert None in columns["miles"]
    assert None in columns["payment"]
    assert "unknown" in columns["payment"]


def test_the_program_holds_vocabularies_and_boundaries_by_name(edge):
    read = json.loads(edge.program.to_json())
    assert read["vocabularies"]["payment"] == ["Cash", "Credit Card", "naïve – 出租车", "x"]
    assert read["vocabularies"]["area"] == [7, -3, 2**40]
    (bucket,) = [step for step in read["steps"] if step["op"] == "bucketize"]
    assert bucket["boundaries"] == [pytest.approx(value) for value in (-1.5, 0.0, 0.1, 41.8)]
    assert "tip" not in read["inputs"]
    # The square root of a constant is a constant.
    assert not any(step["op"] == "sqrt" for step in read["steps"])


def test_equal_steps_are_computed_once_and_unneeded_ones_never(edge):
    texts = [json.dumps(step, sort_keys=True) for step in edge.program.steps]
    assert len(texts) == len(set(texts))
    used = {at for step in edge.program.steps for at in step.get("args", [])}
    used |= {output.step for output in edge.program.outputs.values()}
    assert used == set(range(len(texts)))


def test_what_has_no_word_is_refused_by_name(tmp_path):
    import tensorflow as tf

    from hilir.components.exporter.edge_model import prepare
    from tests.unit.components.exporter.conftest import write_model

    def through_text(raw):
        return tf.strings.to_number(tf.strings.as_string(raw["fare"]))

    found = prepare(write_model(tmp_path / "model", through_text), str(tmp_path / "edge"))
    assert found.program is None
    assert found.raw is None
    assert "uses AsString" in found.refusal
    assert "bucketize" in found.refusal


def test_a_program_of_the_future_is_refused(edge):
    from hilir.components.exporter.transform.interpreter import compute

    with pytest.raises(ValueError, match="operation 'fourier'"):
        compute({"op": "fourier", "dtype": "float32"}, [], edge.program.vocabularies)
