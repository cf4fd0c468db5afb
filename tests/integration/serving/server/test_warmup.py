"""What touches a model before its first request: recorded warm-up requests and nothing else."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tests.integration.serving.server.versions import predicts, states
from tests.integration.serving.server_process import running, wait_until


class Counter(tf.Module):
    """Counts its calls; another signature would set it back."""

    def __init__(self):
        super().__init__()
        self.count = tf.Variable(0.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def call(self, x):
        return {"count": tf.zeros_like(x) + self.count.assign_add(1.0)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def reset(self, x):
        return {"count": tf.zeros_like(x) + self.count.assign(-1000.0)}


@pytest.fixture
def base(tmp_path):
    """A base path with version 1 of a counter."""
    module = Counter()
    path = tmp_path / "counter"
    tf.saved_model.save(module, str(path / "1"), signatures={"serving_default": module.call, "reset": module.reset})
    return path


def write_warmup(path, *logs):
    (path / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(path / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def predict_log(**inputs):
    request = predict_pb2.PredictRequest()
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))


def test_the_first_request_is_the_first_call(base):
    with running(model_base_path=str(base)) as client:
        assert predicts(client).json() == {"predictions": [1.0]}


@pytest.mark.parametrize(
    ("flags", "first"),
    [
        ({}, 3.0),
        ({"num_request_iterations_for_warmup": 3}, 7.0),
        ({"enable_model_warmup": False}, 1.0),
    ],
)
def test_two_recorded_requests_are_replayed_unless_the_flag_stops_them(base, flags, first):
    write_warmup(base / "1", predict_log(x=np.float32([1.0])), predict_log(x=np.float32([5.0, 6.0])))
    with running(model_base_path=str(base), **flags) as client:
        assert predicts(client).json() == {"predictions": [first]}
        page = client.get("/metrics").text
        read = f':tensorflow:serving:model_warmup_records_read{{model_path="{base}/1",status="OK"}} 2'
        assert (read in page) == (first != 1.0)


@pytest.mark.parametrize(
    "log",
    [predict_log(z=np.float32([1.0])), prediction_log_pb2.PredictionLog(session_run_log={})],
)
def test_failing_warmup_fails_the_load(base, log):
    with running(model_base_path=str(base), max_num_load_retries=0) as client:
        staged = base.parent / "staged"
        module = Counter()
        tf.saved_model.save(module, str(staged), signatures={"serving_default": module.call})
        write_warmup(staged, log)
        staged.rename(base / "2")
        wait_until(lambda: states(client).get(2) == "END")
        assert predicts(client).headers["X-Model-Version"] == "1"
