"""Both gRPC servers, the one on grpcio's core bindings and grpc.aio, behave alike."""

import threading

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tests.contract.serving.grpc_calls import predict_request
from tests.integration.serving.server_process import running, wait_until

# A call that does not end keeps the server from stopping for longer than `running` waits.
ENDLESS = {"drain_seconds": 3600.0}
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(params=[True, False], ids=["core", "aio"])
def engine(request):
    return request.param


def held(client):
    """Requests that hold the one version there is."""
    (servable,) = client.server.core.table.current.versions["m"].values()
    return servable._held


def test_calls_errors_and_unknown_methods(models, engine):
    with (
        running(model_base_path=str(models / "shapes"), model_name="m", grpc_core=engine) as client,
        client.channel() as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        futures = [stub.Predict.future(predict_request("m", "same", x=np.float32([n])), timeout=20) for n in range(200)]
        assert [list(f.result().outputs["x"].float_val) for f in futures] == [[float(n)] for n in range(200)]
        big = np.zeros(3_000_000, np.float32)
        unlimited = [("grpc.max_receive_message_length", -1)]
        with grpc.insecure_channel(f"127.0.0.1:{client.port}", options=unlimited) as wide:
            answer = prediction_service_pb2_grpc.PredictionServiceStub(wide).Predict(
                predict_request("m", "same", x=big), 20
            )
        assert len(answer.outputs["x"].float_val) == big.size
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request("m", "nope"), 5)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/tensorflow.serving.Nothing/At")(b"", timeout=30)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_cancelled_calls_let_go_of_their_version(models, engine):
    with running(model_base_path=str(models / "shapes"), model_name="m", grpc_core=engine) as client:
        with client.channel() as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            calls = [stub.Predict.future(predict_request("m", "slow", n=np.int64([500]))) for _ in range(3)]
            wait_until(lambda: held(client) == 3)
            for call in calls:
                call.cancel()
        wait_until(lambda: held(client) == 0)


def test_too_large_a_message(models, engine):
    with running(
        model_base_path=str(models / "shapes"), model_name="m", grpc_core=engine, max_request_bytes=1000
    ) as client:
        with client.channel() as channel, pytest.raises(grpc.RpcError) as caught:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            stub.Predict(predict_request("m", "same", x=np.zeros(1000, np.float32)), 5)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_tokens(models, engine, tmp_path):
    file = tmp_path / "tokens"
    file.write_text(TOKEN)
    file.chmod(0o600)
    with (
        running(
            model_base_path=str(models / "shapes"),
            model_name="m",
            grpc_core=engine,
            tokens_file=str(file),
            enable_grpc_healthcheck_service=True,
        ) as client,
        client.channel() as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request("m", "same", x=np.float32([1])), 5)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        metadata = [("authorization", f"Bearer {TOKEN}")]
        assert stub.Predict(predict_request("m", "same", x=np.float32([1])), 5, metadata=metadata).outputs
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=30)


def test_running_calls_are_finished_on_shutdown(models, engine):
    answers = []
    with running(model_base_path=str(models / "shapes"), model_name="m", grpc_core=engine) as client:

        def ask():
            with client.channel() as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                answers.append(stub.Predict(predict_request("m", "slow", n=np.int64([500])), 20))

        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: held(client) == 1)
    thread.join()
    assert answers


def test_the_health_of_the_server_is_watched_until_it_stops(models, engine):
    told, unknown = [], []

    def watch(channel, service, into):
        call = channel.unary_stream("/grpc.health.v1.Health/Watch")(service, timeout=30)
        try:
            for message in call:
                into.append(message)
        except grpc.RpcError as error:
            into.append(error.code())

    with running(
        model_base_path=str(models / "shapes"),
        model_name="m",
        grpc_core=engine,
        enable_grpc_healthcheck_service=True,
        **ENDLESS,
    ) as client:
        channel = client.channel()
        threads = [
            threading.Thread(target=watch, args=(channel, service, into))
            for service, into in ((b"", told), (b"\x0a\x01x", unknown))
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: told and unknown)
        assert (told, unknown) == ([b"\x08\x01"], [b"\x08\x03"])
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        assert stub.Predict(predict_request("m", "same", x=np.float32([1])), 5).outputs
    for thread in threads:
        thread.join()
    assert told == [b"\x08\x01", b"\x08\x02", grpc.StatusCode.CANCELLED]
    assert unknown == [b"\x08\x03", grpc.StatusCode.CANCELLED]
    channel.close()


def test_a_watcher_that_leaves_is_forgotten(models, engine):
    with running(
        model_base_path=str(models / "shapes"),
        model_name="m",
        grpc_core=engine,
        enable_grpc_healthcheck_service=True,
        **ENDLESS,
    ) as client:
        for _ in range(20):
            with client.channel() as channel:
                call = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=30)
                assert next(call) == b"\x08\x01"
                call.cancel()
