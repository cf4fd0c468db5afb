"""Private calls of grpcio and TensorFlow have public ones as their fallback, with the same answers."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from grpc._cython import cygrpc
from tensorflow.python.client.session import BaseSession
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from hilir.serving.server.grpc.grpc_aio import AioServer
from hilir.serving.server.grpc.grpc_core import CoreServer, find_mismatch
from tests.integration.serving.server_process import running


def predict(client, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m"
    request.model_spec.signature_name = "same"
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    with client.channel() as channel:
        return list(
            prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, 20).outputs["x"].float_val
        )


def test_this_grpcio_fits():
    assert find_mismatch() == ""


@pytest.mark.parametrize("name", ["ReceiveCloseOnServerOperation", "Server"])
def test_another_grpcio_runs_on_grpc_aio(models, monkeypatch, caplog, name):
    if name == "Server":

        class Server(cygrpc.Server):
            def shutdown(self, queue):
                """One argument less."""

        monkeypatch.setattr(cygrpc, name, Server)
    else:
        monkeypatch.delattr(cygrpc, name)
    with (
        caplog.at_level(logging.WARNING),
        running(model_base_path=str(models / "shapes"), model_name="m") as client,
    ):
        assert predict(client, x=np.float32([1.5])) == [1.5]
        assert isinstance(client.server.grpc_server, AioServer)
    assert "gRPC runs on grpc.aio" in caplog.text


def test_the_core_bindings_are_used(models):
    with running(model_base_path=str(models / "shapes"), model_name="m") as client:
        assert predict(client, x=np.float32([1.5])) == [1.5]
        assert isinstance(client.server.grpc_server, CoreServer)


def test_without_the_private_call_of_a_session(models, monkeypatch):
    cases = [
        {"signature_name": "same", "instances": [1.0, 2.0]},
        {"signature_name": "strings", "instances": ["a", "b"]},
        {"signature_name": "strings", "inputs": "a"},
        {"instances": [{"a": 1.0, "b": [1, 2]}]},
        {"signature_name": "matrix", "instances": [[1.0, 2.0]]},
    ]
    with running(model_base_path=str(models / "shapes"), model_name="m") as client:
        private = [client.post("m:predict", case) for case in cases]
    monkeypatch.delattr(BaseSession, "_make_callable_from_options")
    with running(model_base_path=str(models / "shapes"), model_name="m") as client:
        public = [client.post("m:predict", case) for case in cases]
    assert [answer.status_code for answer in private] == [200, 200, 200, 200, 400]
    assert [answer.status_code for answer in public] == [200, 200, 200, 200, 400]
    assert [answer.json() for answer in public[:4]] == [answer.json() for answer in private[:4]]
