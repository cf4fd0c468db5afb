"""Requests of few bytes that ask for much memory: each is bounded, and `/healthz` goes on answering."""

import collections
import concurrent.futures
import gzip
import json
import socket

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc, regression_pb2

from tests.attack.watch import watching
from tests.integration.serving import saved_models
from tests.integration.serving.raw_http import exchange, statuses
from tests.integration.serving.server_process import spawned

pytestmark = pytest.mark.slow
COLUMNS = 14
MIB = 1 << 20


class Columns(tf.Module):
    """Many columns, each cast and scaled, as a tabular model does it."""

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.int64, name=f"c{i}") for i in range(COLUMNS)])
    def serve(self, *columns):
        scaled = tf.concat([(tf.cast(column, tf.float32) - 3.0) / 2.0 for column in columns], 1)
        return {"y": tf.reduce_sum(tf.nn.relu(scaled @ tf.ones([COLUMNS, 32])), 1)}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    module = Columns()
    tf.saved_model.save(module, str(root / "columns/1"), signatures={"serving_default": module.serve})
    saved_models.half_plus(root / "half/1", 2.0)
    saved_models.shapes(root / "shapes/1")
    return root


@pytest.fixture
def server(models):
    """A server with the default limits, each test its own: what one attack leaves behind is not the next one's."""
    with spawned(f"--root={models}") as client:
        yield client


def filled(rows: int) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "columns"
    for index in range(COLUMNS):
        tensor = request.inputs[f"c{index}"]
        tensor.dtype = tf.int64.as_datatype_enum
        for size in (rows, 1):
            tensor.tensor_shape.dim.add(size=size)
        tensor.int64_val.append(7)
    return request


def code(call, *arguments) -> str:
    """The status code that a call ends with."""
    try:
        call(*arguments, timeout=120)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def test_one_value_for_many(server):
    with watching(server) as seen, server.channel() as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        assert len(filled(10_000_000).SerializeToString()) < 600
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda rows: code(predict, filled(rows)), [10_000_000] * 8 + [500_000] * 16))
        # The form itself is served, as TensorFlow Serving serves it.
        assert len(predict(filled(1000), 60).outputs["y"].float_val) == 1000
    seen.check("14 inputs of one value each")
    assert codes[:8] == ["RESOURCE_EXHAUSTED"] * 8
    assert set(codes[8:]) <= {"OK", "RESOURCE_EXHAUSTED"}


@pytest.mark.parametrize("connections", [1, 24])
def test_gzip_that_inflates(server, connections):
    body = gzip.compress(b'{"instances": [[' + b" " * (120 * MIB) + b"]]}")
    head = b"POST /v1/models/half:predict HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    request = head % len(body) + body
    assert len(request) < 130_000
    with watching(server) as seen, concurrent.futures.ThreadPoolExecutor(connections) as pool:
        sends = [request * (24 // connections)] * connections
        answers = list(pool.map(lambda data: converse(server.rest_port, data), sends))
    found = collections.Counter(status for answer in answers for status in statuses(answer))
    seen.check(f"24 bodies of gzip on {connections} connection(s), {dict(found)}")
    assert sum(found.values()) == 24
    assert set(found) <= {200, 503}


def converse(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 120) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("kind", ["content", "floats", "strings", "gzip"])
def test_large_messages_at_once(server, kind):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "shapes"
    if kind in ("content", "gzip"):
        request.model_spec.signature_name = "same"
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.zeros(30_000_000, np.float32)))
    elif kind == "floats":
        request.model_spec.signature_name = "same"
        request.inputs["x"].dtype = tf.float32.as_datatype_enum
        request.inputs["x"].tensor_shape.dim.add(size=30_000_000)
        request.inputs["x"].float_val.extend([0.5] * 30_000_000)
    else:
        request.model_spec.signature_name = "strings"
        request.inputs["text"].dtype = tf.string.as_datatype_enum
        request.inputs["text"].tensor_shape.dim.add(size=10_000_000)
        request.inputs["text"].string_val.extend([b"0123456789"] * 10_000_000)
    data = request.SerializeToString()
    with watching(server) as seen, concurrent.futures.ThreadPoolExecutor(10) as pool:
        codes = collections.Counter(pool.map(lambda _: send(server.port, data, kind == "gzip"), range(10)))
    seen.check(f"10 messages of {len(data) / 1e6:.0f} MB of {kind}, {dict(codes)}")
    assert set(codes) <= {"OK", "RESOURCE_EXHAUSTED"}


def send(port: int, data: bytes, squeezed: bool) -> str:
    squeeze = grpc.Compression.Gzip if squeezed else grpc.Compression.NoCompression
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options, compression=squeeze) as channel:
        return code(channel.unary_unary("/tensorflow.serving.PredictionService/Predict"), data)


def test_a_gzip_message_without_end(server):
    """300 MB of zeros in 300 KB: refused when they are more than a message may be, not when all of them are there."""
    data = bytes(300 * MIB)
    with watching(server) as seen:
        codes = {send(server.port, data, squeezed=True) for _ in range(2)}
    seen.check(f"a message of 300 KB that inflates to 300 MB, {codes}")
    assert codes == {"RESOURCE_EXHAUSTED"}


def test_a_shared_context(server):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "half", "regress_x_to_y"
    both = request.input.example_list_with_context
    both.context.features.feature["x"].float_list.value.append(1.0)
    both.context.features.feature["note"].bytes_list.value.append(bytes(100_000))
    for _ in range(20_000):
        both.examples.add()
    data = request.SerializeToString()
    context = {"x": 1.0, "note": "x" * 100_000}
    body = {"signature_name": "regress_x_to_y", "context": context, "examples": [{}] * 20_000}
    with watching(server) as seen, server.channel() as channel:
        regress = channel.unary_unary("/tensorflow.serving.PredictionService/Regress")
        codes = [code(regress, data) for _ in range(3)]
        over_rest = [server.post("half:regress", json.dumps(body)) for _ in range(3)]
    seen.check("a shared context for 20,000 examples")
    assert codes == ["RESOURCE_EXHAUSTED"] * 3
    assert [answer.status_code for answer in over_rest] == [503] * 3
    assert "--max-request-memory" in over_rest[0].json()["error"]


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"0,", b"0.5,", b'"ab",', b"NaN,"])
def test_json_of_many_values(server, piece):
    body = b'{"signature_name": "strings", "inputs": [' + piece * (100 * MIB // len(piece)) + b"0]}"
    request = b"POST /v1/models/shapes:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with watching(server) as seen, concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: converse(server.rest_port, request), range(4)))
    found = collections.Counter(status for answer in answers for status in statuses(answer))
    seen.check(f"4 bodies of 100 MB of {piece.decode()}, {dict(found)}")


def test_a_server_that_refused_much_serves_on(server):
    junk = gzip.compress(bytes(1000))[:-9]
    head = b"POST /v1/models/half:predict HTTP/1.1\r\nContent-Encoding: gzip\r\nX-Request-Id: mine-1\r\n"
    answer = exchange(server.rest_port, head + b"Content-Length: %d\r\n\r\n%b" % (len(junk), junk))
    assert statuses(answer) == [400]
    assert b"X-Request-Id: mine-1\r\n" in answer
    assert server.post("half:predict", {"instances": [2.0]}).json() == {"predictions": [3.0]}
