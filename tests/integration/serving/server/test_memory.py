"""A server whose requests may hold little: what is refused, with which words, and that it serves on."""

import gzip
import stat

import grpc
import pytest
import tensorflow as tf
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tests.integration.serving.server_process import running, wait_until

LIMIT = 4 << 20


@pytest.fixture(params=[True, False], ids=["core", "aio"])
def client(models, request):
    base = str(models / "half_plus_two")
    with running(model_base_path=base, model_name="m", max_request_memory=LIMIT, grpc_core=request.param) as client:
        yield client
        wait_until(lambda: "hilir_requests_in_flight{} 0" in client.get("/metrics").text)
        assert client.post("m:predict", {"instances": [2.0]}).json() == {"predictions": [3.0]}


def refused(call, request) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=30)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return caught.value.details()


def test_over_grpc(client):
    with client.channel() as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        filled = predict_pb2.PredictRequest()
        filled.model_spec.name = "m"
        filled.inputs["x"].dtype = tf.float32.as_datatype_enum
        filled.inputs["x"].tensor_shape.dim.add(size=10_000_000)
        assert "all requests together may hold 4194304" in refused(stub.Predict, filled)
        context = regression_pb2.RegressionRequest()
        context.model_spec.name, context.model_spec.signature_name = "m", "regress_x_to_y"
        both = context.input.example_list_with_context
        both.context.features.feature["x"].float_list.value.append(1.0)
        both.context.features.feature["note"].bytes_list.value.append(bytes(1000))
        both.examples.extend([example_pb2.Example()] * 10)
        assert len(stub.Regress(context, 30).result.regressions) == 10
        both.examples.extend([example_pb2.Example()] * 2000)
        assert "--max-request-memory" in refused(stub.Regress, context)
        status = channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")
        assert "may have 1048576 bytes" in refused(status, bytes(2 << 20))
    assert 'hilir_requests_rejected{reason="memory"} 2' in client.get("/metrics").text


def test_over_rest(client):
    context = {"x": 1.0, "note": "x" * 1000}
    regress = {"signature_name": "regress_x_to_y", "context": context, "examples": [{}] * 2000}
    many = b'{"instances": [' + b"[]," * 100_000 + b"1]}"
    zipped = {"Content-Encoding": "gzip", "X-Request-Id": "mine-1"}
    answers = [
        client.post("m:regress", regress),
        client.post("m:predict", many),
        client.post("m:predict", gzip.compress(bytes(50 << 20)), headers=zipped),
        client.post("m:predict", bytes(LIMIT + 1), headers={"X-Request-Id": "mine-1"}),
    ]
    assert [answer.status_code for answer in answers] == [503] * 4
    assert all("all requests together may hold" in answer.json()["error"] for answer in answers)
    assert [answer.headers["X-Request-Id"] for answer in answers[2:]] == ["mine-1"] * 2
    broken = client.post("m:predict", gzip.compress(bytes(100))[:-3], headers=zipped)
    assert (broken.status_code, broken.headers["X-Request-Id"]) == (400, "mine-1")


def test_request_logs_lie_in_the_model_root_and_are_private(models, base, tmp_path):
    root = tmp_path / "served"
    root.mkdir()
    base.rename(root / "half")
    config = model_management_pb2.ReloadConfigRequest()
    entry = config.config.model_config_list.config.add(
        name="m", base_path=str(root / "half"), model_platform="tensorflow"
    )
    entry.logging_config.sampling_config.sampling_rate = 1
    collector = entry.logging_config.log_collector_config
    with (
        running(model_base_path=str(root / "half"), model_name="m", model_root=str(root)) as client,
        client.channel() as channel,
    ):
        reload = model_service_pb2_grpc.ModelServiceStub(channel).HandleReloadConfigRequest
        for prefix in (tmp_path / "elsewhere", root / ".." / "elsewhere"):
            collector.filename_prefix = str(prefix)
            with pytest.raises(grpc.RpcError) as caught:
                reload(config, 30)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert "filename_prefix" in caught.value.details()
        collector.filename_prefix = str(root / "logs" / "m")
        reload(config, 30)
        file = root / "logs" / "m.jsonl"

        def is_logged():
            client.post("m:predict", {"instances": [2.0]})
            return file.exists()

        wait_until(is_logged)
        assert [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)] == [0o700, 0o600]
    assert not list(tmp_path.glob("elsewhere*"))


@pytest.mark.parametrize("squeeze", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages(client, squeeze):
    path = "/tensorflow.serving.PredictionService/Predict"
    for rows in (100, 100_000):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "m"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto([2.0] * rows, tf.float32))
        with client.channel() as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            answer = stub.Predict(request, timeout=30, compression=squeeze)
            assert list(answer.outputs["y"].float_val) == [3.0] * rows
    with client.channel() as channel:
        call = channel.unary_unary(path)
        with pytest.raises(grpc.RpcError) as caught:
            call(bytes(LIMIT), timeout=30, compression=squeeze)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.RpcError) as caught:
            call(gzip.compress(b"x" * 100)[:-9], timeout=30)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert caught.value.details().startswith("The compressed message cannot be inflated")
