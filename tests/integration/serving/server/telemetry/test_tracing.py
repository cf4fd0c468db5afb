"""Spans at a collector, metrics by signature, and messages as JSON."""

import json
import logging
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from hilir.serving.errors import ServingConfigError
from hilir.serving.server.telemetry.log_format import JsonFormatter
from hilir.serving.server.telemetry.metrics import Metrics
from hilir.serving.server.telemetry.tracing import TraceContext, make_tracer, parse_parent
from tests.integration.serving.server_process import running, wait_until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"


@contextmanager
def collector(status=200):
    """A collector that keeps the spans it gets."""
    spans = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/v1/traces" and status == 200:
                for resource in body["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        spans.extend(scope["spans"])
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        server.server_close()


def attributes(span):
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


@pytest.mark.parametrize("grpc_core", [True, False])
def test_traces_of_callers_are_continued(models, grpc_core):
    with (
        collector() as (endpoint, spans),
        running(
            model_base_path=str(models / "half_plus_two"),
            model_name="m",
            otlp_endpoint=endpoint,
            trace_rate=0.0,
            grpc_core=grpc_core,
        ) as client,
    ):
        client.post("m:predict", {"instances": [1.0]}, headers={"traceparent": SAMPLED, "X-Request-Id": "one"})
        client.post("m:predict", {"instances": [1.0]}, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        client.post("m:predict", {"instances": [1.0]})
        client.post("m:predict", {"instances": ["wrong"]}, headers={"traceparent": SAMPLED})
        with client.channel() as channel:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "m"
            request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            stub.Predict(request, timeout=30, metadata=(("traceparent", SAMPLED),))
        wait_until(lambda: len(spans) == 3)
        page = client.get("/metrics").text
    rest, wrong, over_grpc = spans
    assert {(span["traceId"], span["parentSpanId"], span["kind"]) for span in spans} == {(TRACE, PARENT, 2)}
    assert len({span["spanId"] for span in spans}) == 3
    assert rest["name"] == "predict m"
    assert rest["status"] == {"code": 1}
    assert 0 < int(rest["endTimeUnixNano"]) - int(rest["startTimeUnixNano"]) < 60e9
    found = attributes(rest)
    assert (found["hilir.version"], found["hilir.signature"], found["hilir.request_id"]) == (
        "123",
        "serving_default",
        "one",
    )
    assert wrong["status"] == {"code": 2, "message": "INVALID_ARGUMENT"}
    assert attributes(over_grpc)["rpc.system"] == "grpc"
    named = 'model="m",version="123",signature="serving_default",method="predict"'
    assert f"hilir_signature_latency_microseconds_count{{{named}}} 4" in page
    assert 'hilir_build_info{version="' in page
    assert "hilir_spans_dropped{} " not in page


def test_a_fraction_of_the_others_is_traced():
    tracer = make_tracer("http://127.0.0.1:9", 0.25, Metrics())
    found = [tracer.begin(None) for _ in range(2000)]
    assert 400 < sum(each is not None for each in found) < 600
    assert all(each.parent_id == "" for each in found if each is not None)
    tracer.close()


def test_a_collector_that_fails_costs_spans_and_nothing_else(models):
    with (
        collector(status=503) as (endpoint, _),
        running(model_base_path=str(models / "half_plus_two"), model_name="m", otlp_endpoint=endpoint) as client,
    ):
        assert client.post("m:predict", {"instances": [1.0]}, headers={"traceparent": SAMPLED}).status_code == 200
        wait_until(lambda: "hilir_spans_dropped{} 1" in client.get("/metrics").text)


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"00-" + TRACE.encode() + b"-" + PARENT.encode(),
        f"ff-{TRACE}-{PARENT}-01".encode(),
        f"00-{TRACE}-{PARENT}-01-more".encode(),
        f"00-{'0' * 32}-{PARENT}-01".encode(),
        f"00-{TRACE.upper()}-{PARENT}-01".encode(),
    ],
)
def test_headers_that_are_not_valid(header):
    assert parse_parent(header) is None


def test_a_later_version_of_the_header():
    assert parse_parent(f"01-{TRACE}-{PARENT}-03-more".encode()) == TraceContext(TRACE, PARENT, True)


def test_an_endpoint_that_is_not_one():
    with pytest.raises(ServingConfigError, match=r"--otlp-endpoint collector:4318: give an address like http"):
        make_tracer("collector:4318", 1.0, Metrics())


def test_messages_as_json(tmp_path):
    record = logging.LogRecord("a.b", logging.WARNING, "", 0, "two\nlines of %s", ("ü",), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert {name: value for name, value in json.loads(line).items() if name != "time"} == {
        "level": "WARNING",
        "logger": "a.b",
        "message": "two\nlines of ü",
    }
    script = (
        "from hilir.serving.server.telemetry.log_format import set_up_logging\nimport logging\n"
        "set_up_logging('json')('ready')\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    logging.getLogger('x').exception('no')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout)["message"] == "ready"
    assert "ZeroDivisionError" in json.loads(done.stderr)["error"]
