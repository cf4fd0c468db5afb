"""Whatever clients send, the server answers: no 500, no hang, no crash. Ten minutes of it under `slow`."""

import json
import os
import re
import subprocess
import sys
import time

import grpc
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import predict_pb2

from tests.integration.serving.raw_http import ALLOWED, exchange, post, statuses
from tests.integration.serving.server_process import ROOT, running

SECONDS = float(os.environ.get("HILIR_FUZZ_SECONDS", "600"))
SIGNATURES = ["serving_default", "strings", "same", "total", "uneven", "half", "classes", "matrix", "add", "nope"]
SIGNATURES += [f"echo_{name}" for name in ("float64", "int8", "uint8", "int32", "int64", "uint64", "bool", "float16")]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True),
    st.text(max_size=8),
    st.builds(lambda text: {"b64": text}, st.text(max_size=8)),
    st.just({"b64": "aGVsbG8="}),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "x", "text", "b64"]), inner, max_size=3)
    ),
    max_leaves=20,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": st.sampled_from(SIGNATURES) | values,
        "instances": values,
        "inputs": values,
        "examples": st.lists(st.dictionaries(st.text(max_size=3), values, max_size=3), max_size=3) | values,
        "context": values,
    },
)
paths = st.one_of(
    st.sampled_from(["shapes:predict", "shapes:classify", "shapes:regress", "shapes/versions/1:predict"]),
    st.sampled_from(["/v1/models/shapes", "/v1/models", "/metrics", "/healthz", "/v1/models/shapes/metadata"]),
    st.text(alphabet="/v1models:predict%2Fshapes?=&.\x00é", max_size=30),
)
profile = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@pytest.fixture(scope="module", params=[False, True], ids=["single", "batching"])
def client(models, request):
    with running(
        model_base_path=str(models / "shapes"),
        model_name="shapes",
        enable_batching=request.param,
        max_request_bytes=1 << 20,
        request_log=str(models / f"fuzz-{request.param}"),
    ) as client:
        yield client
        assert client.post("shapes:predict", {"signature_name": "same", "instances": [1]}).status_code == 200


def send(client, path: str, body: bytes) -> int:
    path = path if path.startswith("/") else f"/v1/models/{path}"
    target = path.encode("utf-8", "replace").replace(b" ", b"%20")
    found = statuses(exchange(client.rest_port, post(target, body)))
    assert found, (path, body)
    assert set(found) <= ALLOWED, (found, path, body)
    return found[0]


def check_json(client, path, body, cut):
    text = json.dumps(body).encode("utf-8", "surrogatepass")
    send(client, path, text[: len(text) - cut] if cut else text)


def check_bytes(client, path, body):
    send(client, path, body)


def check_http(client, data):
    assert set(statuses(exchange(client.rest_port, data))) <= ALLOWED


METHODS = ["Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"]


def check_grpc(client, method, body):
    with client.channel() as channel:
        call = channel.unary_unary(f"/tensorflow.serving.PredictionService/{method}")
        error = call.future(body, timeout=5).exception()
    if error is not None:
        assert error.code() not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), (method, body, error)


http_bytes = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"POST /v1/models/shapes:predict HTTP/1.1\r\n",
                b"GET / HTTP/1.1\r\n",
                b"Content-Length: 5\r\n",
                b"Content-Length: -1\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Content-Encoding: gzip\r\n",
                b"Content-Encoding: identity\r\n",
                b"POST http://a:1/v1/models/shapes:predict HTTP/1.0\r\n",
                b"Connection: keep-alive\r\n",
                b"Expect: 100-continue\r\n",
                b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
                b"\r\n",
                b"5\r\nhello\r\n",
                b"ffffffffffffffff\r\n",
                b"0\r\n\r\n",
                b'{"instances": [1]}',
            ]
        ),
    ),
    max_size=12,
).map(b"".join)
# A valid message whose bytes are then spoilt reaches further than noise does.
TEMPLATE = text_format.Parse(
    'model_spec { name: "shapes" signature_name: "strings" } inputs { key: "text" value { dtype: DT_STRING '
    'tensor_shape { dim { size: 2 } } string_val: "foo" string_val: "bar" } }',
    predict_pb2.PredictRequest(),
).SerializeToString()
protos = st.binary(max_size=60) | st.lists(
    st.tuples(st.integers(0, len(TEMPLATE) - 1), st.integers(0, 255)), max_size=4
).map(lambda edits: bytes(dict(edits).get(i, byte) for i, byte in enumerate(TEMPLATE)))
CASES = [
    (check_json, (paths, bodies, st.integers(0, 3))),
    (check_bytes, (paths, st.binary(max_size=200))),
    (check_http, (http_bytes,)),
    (check_grpc, (st.sampled_from(METHODS), protos)),
]


def explore(client, check, strategies, examples):
    @settings(profile, max_examples=examples)
    @given(st.tuples(*strategies))
    def run(arguments):
        check(client, *arguments)

    run()


@pytest.mark.parametrize(("check", "strategies"), CASES, ids=[check.__name__ for check, _ in CASES])
def test_nothing_upsets_the_server(client, check, strategies):
    explore(client, check, strategies, 60)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_nothing_upsets_the_server_for_long(client):
    end = time.monotonic() + SECONDS / 2
    rounds = 0
    while time.monotonic() < end:
        for check, strategies in CASES:
            explore(client, check, strategies, 300)
        rounds += 1
    assert rounds


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_nothing_new_upsets_the_server(models, tmp_path):
    command = [sys.executable, "-m", "tests.integration.serving.server.http_fuzzer", models / "shapes", tmp_path]
    done = subprocess.run(
        [*command, f"{SECONDS:.0f}"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:]
    (requests,) = re.findall(r"Done (\d+) runs", done.stdout)
    assert int(requests) > 20 * SECONDS
