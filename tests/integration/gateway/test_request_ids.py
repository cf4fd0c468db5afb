"""An answer through the gateway carries one id on both protocols: Envoy's, the server's and the request log's."""

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.integration.release.place import MODEL, gateway_running
from tests.integration.release.versions import make_version
from tests.integration.serving.server.test_request_log import lines
from tests.integration.serving.server_process import running


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A server with a request log behind a gateway, asked four times; gives the ids that were seen and logged."""
    folder = tmp_path_factory.mktemp("ids")
    root, prefix = folder / "models", folder / "log"
    make_version(root, 1, model=MODEL)
    told = {}
    with (
        running(root=str(root), request_log=str(prefix)) as server,
        gateway_running(root, [server.rest_port], [server.port], folder) as settings,
    ):
        url = f"http://{settings.listen}/v1/models/{MODEL}:predict"
        for given in ("caller-rest", None):
            headers = {"X-Request-Id": given} if given else {}
            answer = requests.post(url, json={"instances": [[1.0]]}, headers=headers, timeout=30)
            told["REST", given] = [v for k, v in answer.raw.headers.items() if k.lower() == "x-request-id"]
            assert answer.status_code == 200, answer.text
        request = predict_pb2.PredictRequest()
        request.model_spec.name = MODEL
        with grpc.insecure_channel(settings.listen) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            name = next(iter(server.server.core.table.current.versions[MODEL][1].signatures["serving_default"].inputs))
            request.inputs[name].CopyFrom(tf.make_tensor_proto(np.float32([[1.0]])))
            for given in ("caller-grpc", None):
                metadata = (("x-request-id", given),) if given else ()
                call = stub.Predict.future(request, timeout=30, metadata=metadata)
                assert call.code() is grpc.StatusCode.OK, call.details()
                both = (*call.initial_metadata(), *call.trailing_metadata())
                told["GRPC", given] = [value for key, value in both if key == "x-request-id"]
    return told, [entry["request_id"] for entry in lines(prefix.with_suffix(".jsonl"))]


def test_one_id_each(logged):
    told, in_log = logged
    assert told["REST", "caller-rest"] == ["caller-rest"]
    assert set(told["GRPC", "caller-grpc"]) == {"caller-grpc"}
    for protocol in ("REST", "GRPC"):
        assert len(set(told[protocol, None])) == 1
    assert in_log == [ids[0] for ids in told.values()]
