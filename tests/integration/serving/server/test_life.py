"""One life of a request, whichever protocol it came by: admission, deadlines, ids, metrics and the log."""

import concurrent.futures
import re
import socket

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tests.contract.serving.grpc_calls import predict_request
from tests.integration.serving.server.test_request_log import lines
from tests.integration.serving.server_process import running, wait_until

PREDICT = "/tensorflow.serving.PredictionService/Predict"
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(params=[True, False], ids=["core", "aio"])
def engine(request):
    return request.param


def slow(seconds_like):
    return {"signature_name": "slow", "instances": [seconds_like]}


def in_flight(client) -> int:
    return int(re.search(r"hilir_requests_in_flight\{\} (\d+)", client.get("/metrics").text)[1])


def counted(client, method, protocol, status) -> int:
    pattern = rf'hilir_requests\{{[^}}]*method="{method}",protocol="{protocol}",status="{status}"\}} (\d+)'
    return sum(int(number) for number in re.findall(pattern, client.get("/metrics").text))


def test_both_protocols_share_the_limit_and_refuse_before_they_decode(models, engine):
    with (
        running(model_base_path=str(models / "shapes"), model_name="m", max_in_flight=3, grpc_core=engine) as client,
        client.channel() as channel,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        over_rest = [pool.submit(client.post, "m:predict", slow(300)) for _ in range(2)]
        over_grpc = stub.Predict.future(predict_request("m", "slow", n=np.int64([300])), timeout=60)
        wait_until(lambda: in_flight(client) == 3)
        # Neither body could be decoded.
        assert client.post("m:predict", b"{").status_code == 503
        assert client.post("m:predict", b"{" * 100_000).status_code == 503
        for body in (b"\xff", b"\xff" * 100_000):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(PREDICT)(body, timeout=20)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert 'hilir_requests_rejected{reason="in_flight"} 4' in client.get("/metrics").text
        assert [future.result().status_code for future in over_rest] == [200, 200]
        assert over_grpc.result().outputs["value"].float_val
        wait_until(lambda: in_flight(client) == 0)
        assert client.post("m:predict", b"{").status_code == 400
        assert counted(client, "predict", "REST", "OK") == 2
        assert counted(client, "predict", "GRPC", "OK") == 1


@pytest.mark.parametrize("given", [None, "caller-1"])
def test_every_rest_answer_has_an_id(models, given, tmp_path):
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN} predict,admin")
    file.chmod(0o600)
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({"X-Request-Id": given} if given else {})
    with running(
        model_base_path=str(models / "shapes"), model_name="m", tokens_file=str(file), rest_api_timeout_in_ms=300
    ) as client:
        same = {"signature_name": "same", "instances": [1.0]}
        large = {"signature_name": "same", "inputs": [0.5] * 60_000}
        answers = [client.get(path, headers=headers) for path in ("/healthz", "/readyz", "/metrics", "/metrics?x")]
        answers += [client.get(path, headers=headers) for path in ("/nothing", "/v1/models/m", "/v1/models/who")]
        answers += [client.get(f"/v1/models/m/versions/{2**64}", headers=headers), client.get("/v1/x", headers=headers)]
        answers += [client.post("m:predict", body, headers=headers) for body in (same, large, b"{", slow(500))]
        answers.append(client.session.options(f"{client.base}/v1/models/m", headers=headers, timeout=30))
        answers.append(client.post("m:predict", same, headers={**headers, "Authorization": "Bearer wrong"}))
    codes = [answer.status_code for answer in answers]
    assert codes == [200, 200, 200, 400, 404, 200, 404, 400, 400, 200, 200, 400, 504, 400, 401]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert set(ids) == {given} if given else len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"no HTTP\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000, b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"431"),
        (b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 2000\r\n\r\n", b"413"),
    ],
)
def test_what_is_no_request_gets_an_id_too(models, data, status):
    with (
        running(model_base_path=str(models / "shapes"), model_name="m", max_request_bytes=1000) as client,
        socket.create_connection(("127.0.0.1", client.rest_port), timeout=30) as sock,
    ):
        sock.sendall(data)
        answer = sock.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert len(re.findall(rb"\r\nX-Request-Id: [0-9a-f]{12}-[0-9a-f]+\r\n", answer)) == 1


@pytest.mark.parametrize("given", [None, "caller-1"])
def test_every_grpc_answer_has_an_id(models, engine, given, tmp_path):
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN} predict,admin")
    file.chmod(0o600)
    token = ("authorization", f"Bearer {TOKEN}")
    mine = (("x-request-id", given),) if given else ()
    calls = [
        (PREDICT, predict_request("m", "same", x=np.float32([1])).SerializeToString(), token),
        (PREDICT, predict_request("m", "same", x=np.zeros(50_000, np.float32)).SerializeToString(), token),
        (PREDICT, predict_request("m", "nope").SerializeToString(), token),
        (PREDICT, b"\xff", token),
        (PREDICT, b"", ("authorization", "Bearer wrong")),
        ("/tensorflow.serving.ModelService/GetModelStatus", b"", token),
        ("/tensorflow.serving.Nothing/At", b"", token),
        ("/grpc.health.v1.Health/Check", b"", token),
        ("/grpc.health.v1.Health/Check", b"\x0a\x01x", token),
    ]
    codes, ids = [], []
    with (
        running(
            model_base_path=str(models / "shapes"),
            model_name="m",
            tokens_file=str(file),
            enable_grpc_healthcheck_service=True,
            grpc_core=engine,
        ) as client,
        client.channel() as channel,
    ):
        for method, body, authorization in calls:
            future = channel.unary_unary(method).future(body, metadata=(authorization, *mine), timeout=30)
            codes.append(future.code().name)
            ids += [value for key, value in future.trailing_metadata() if key == "x-request-id"]
    assert codes[:4] == ["OK", "OK", "FAILED_PRECONDITION", "INVALID_ARGUMENT"]
    assert codes[4:] == ["UNAUTHENTICATED", "INVALID_ARGUMENT", "UNIMPLEMENTED", "OK", "NOT_FOUND"]
    assert len(ids) == len(calls)
    assert set(ids) == {given} if given else len(set(ids)) == len(ids)


def test_a_run_that_nobody_waits_for_is_in_flight_until_it_ends(models, engine):
    with (
        running(
            model_base_path=str(models / "shapes"), model_name="m", rest_api_timeout_in_ms=100, grpc_core=engine
        ) as client,
        client.channel() as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = client.post("m:predict", slow(1000))
        assert (response.status_code, response.json()["error"]) == (504, "Timed out waiting for notification")
        assert in_flight(client) == 1
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request("m", "slow", n=np.int64([1000])), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        left = stub.Predict.future(predict_request("m", "slow", n=np.int64([1000])))
        wait_until(lambda: in_flight(client) == 3)
        left.cancel()
        wait_until(lambda: in_flight(client) == 0, 60)
        (servable,) = client.server.core.table.current.versions["m"].values()
        assert servable._held == 0
        assert counted(client, "predict", "REST", "DEADLINE_EXCEEDED") == 1
        # The client's own clock may end the call before the server's does.
        missed = [counted(client, "predict", "GRPC", status) for status in ("DEADLINE_EXCEEDED", "CANCELLED")]
        assert missed in ([1, 1], [0, 2])
        assert counted(client, "predict", "GRPC", "OK") == 0


def test_large_requests_and_outputs(models, engine):
    values = np.arange(50_000, dtype=np.float32)
    with (
        running(model_base_path=str(models / "shapes"), model_name="m", grpc_core=engine) as client,
        client.channel() as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.Predict(predict_request("m", "same", x=values), timeout=30)
        assert list(answer.outputs["x"].float_val) == values.tolist()
        # Few bytes that become many values: a tensor of which one value is given.
        small = predict_request("m", "same")
        small.inputs["x"].dtype = tf.float32.as_datatype_enum
        small.inputs["x"].tensor_shape.dim.add(size=50_000)
        small.inputs["x"].float_val.append(2.5)
        assert set(stub.Predict(small, timeout=30).outputs["x"].float_val) == {2.5}
        body = {"signature_name": "same", "inputs": values.tolist()}
        assert client.post("m:predict", body).json()["outputs"] == values.tolist()
        wait_until(lambda: in_flight(client) == 0)


def test_the_log_has_the_callers_id(models, tmp_path, engine):
    prefix = tmp_path / "log"
    with (
        running(
            model_base_path=str(models / "shapes"), model_name="m", request_log=str(prefix), grpc_core=engine
        ) as client,
        client.channel() as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        stub.Predict(predict_request("m", "same", x=np.float32([1])), 20, metadata=(("x-request-id", "over-grpc"),))
        client.post("m:predict", {"signature_name": "same", "instances": [1.0]}, headers={"X-Request-Id": "over-rest"})
    logged = [(entry["request_id"], entry["protocol"]) for entry in lines(prefix.with_suffix(".jsonl"))]
    assert logged == [("over-grpc", "GRPC"), ("over-rest", "REST")]


def test_a_taken_port_is_reported_before_a_model_is_looked_for(tmp_path):
    from hilir.serving.errors import ServingStartError

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flag, flags in (
            ("--rest_api_port", {"rest_api_port": port}),
            ("--port", {"port": port}),
        ):
            # A base path that does not exist is waited for without end.
            with (
                pytest.raises(ServingStartError, match=rf"Can't listen on 127.0.0.1:{port} .* another {flag}\."),
                running(model_base_path=str(tmp_path / "missing"), **flags),
            ):
                raise AssertionError("the server started")
