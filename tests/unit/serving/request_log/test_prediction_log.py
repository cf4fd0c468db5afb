"""TensorFlow Serving's PredictionLog, and serialized tf.Examples."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from hilir.serving.monitor.counts import join_outputs
from hilir.serving.request_log.request_forms import read_json, read_prediction_log
from tests.unit.serving.monitor.traffic import line


def example(**features):
    found = tf.train.Example()
    for name, values in features.items():
        if isinstance(values[0], bytes):
            found.features.feature[name].bytes_list.value.extend(values)
        else:
            found.features.feature[name].float_list.value.extend(values)
    return found


def log(version=3):
    found = prediction_log_pb2.PredictionLog()
    found.log_metadata.model_spec.name = "m"
    if version is not None:
        found.log_metadata.model_spec.version.value = version
    return found


def test_predict():
    entry = log()
    entry.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([[1, 2], [3, np.nan]])))
    entry.predict_log.request.inputs["place"].CopyFrom(tf.make_tensor_proto([b"north", b"\xff"]))
    entry.predict_log.response.outputs["p"].CopyFrom(tf.make_tensor_proto(np.float32([[0.5], [0.25]])))
    request = read_prediction_log(entry.SerializeToString(), 12.0)
    assert (request.model, request.version, request.rows, request.time, request.is_sparse) == ("m", 3, 2, 12.0, False)
    assert request.inputs["x"][0] == [1, 2]
    assert np.isnan(request.inputs["x"][1][1])
    assert request.inputs["place"] == [[b"north"], [b"\xff"]]
    assert request.outputs == {"p": [[0.5], [0.25]]}


def test_the_version_may_stand_in_the_answer_only():
    entry = log(version=None)
    entry.predict_log.response.model_spec.version.value = 9
    assert read_prediction_log(entry.SerializeToString(), 0.0).version == 9


def test_serialized_examples():
    serialized = [example(x=[1.0], place=[b"north"]).SerializeToString(), example(x=[2.0]).SerializeToString()]
    entry = log()
    entry.predict_log.request.inputs["examples"].CopyFrom(tf.make_tensor_proto(serialized))
    expected = {"x": [[1.0], [2.0]], "place": [[b"north"], []]}
    request = read_prediction_log(entry.SerializeToString(), 0.0)
    assert (dict(request.inputs), request.is_sparse) == (expected, True)
    written = [{"b64": base64.b64encode(each).decode()} for each in serialized]
    request = read_json(line({"examples": written}, {"p": [[0.5], [0.5]]}), 0.0)
    assert (dict(request.inputs), request.is_sparse) == (expected, True)


def test_classify_and_regress():
    entry = log()
    context = entry.classify_log.request.input.example_list_with_context
    context.context.CopyFrom(example(place=[b"north"]))
    context.examples.extend([example(x=[1.0]), example(x=[2.0])])
    for score in (0.25, 0.75):
        row = entry.classify_log.response.result.classifications.add()
        row.classes.add(label="no", score=1 - score)
        row.classes.add(label="yes", score=score)
    request = read_prediction_log(entry.SerializeToString(), 0.0)
    assert request.inputs == {"place": [[b"north"], [b"north"]], "x": [[1.0], [2.0]]}
    assert join_outputs(request.outputs, ["q[1]", "q:largest"]) == {
        "q[1]": [[0.25], [0.75]],
        "q:largest": [["0"], ["1"]],
    }
    entry = log()
    entry.regress_log.request.input.example_list.examples.add().CopyFrom(example(x=[1.0]))
    entry.regress_log.response.result.regressions.add(value=2.5)
    request = read_prediction_log(entry.SerializeToString(), 0.0)
    assert join_outputs(request.outputs, ["price"]) == {"price": [[2.5]]}


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x0a\x05abc"])
def test_what_is_not_one(data):
    with pytest.raises(ValueError, match="not a PredictionLog"):
        read_prediction_log(data, 0.0)


def test_multi_inference_has_no_rows():
    entry = log()
    entry.multi_inference_log.request.tasks.add()
    assert read_prediction_log(entry.SerializeToString(), 0.0).rows == 0
