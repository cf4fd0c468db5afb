"""A trace goes on through Envoy to the server: the caller's, and one that Envoy began."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from tests.integration.release.place import MODEL, gateway_running
from tests.integration.release.versions import make_version
from tests.integration.serving.server.test_tracing import PARENT, TRACE, attributes, collector
from tests.integration.serving.server_process import running, wait_until


@pytest.fixture
def envoys_spans():
    """A collector for Envoy, which sends protocol buffers: their bytes."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            # Envoy sends chunks.
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            bodies.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    server.server_close()


def test_a_trace_goes_on_through_envoy(tmp_path, envoys_spans):
    root = tmp_path / "models"
    make_version(root, 1, model=MODEL)
    address, bodies = envoys_spans
    with (
        collector() as (endpoint, spans),
        running(root=str(root), otlp_endpoint=endpoint, trace_rate=0.0) as server,
        gateway_running(
            root, [server.rest_port], [server.port], tmp_path, otlp=address, trace_percent=100.0
        ) as settings,
    ):
        url = f"http://{settings.listen}/v1/models/{MODEL}:predict"
        body = {"instances": [[1.0]]}
        requests.post(url, json=body, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}, timeout=30).raise_for_status()
        requests.post(url, json=body, timeout=30).raise_for_status()
        wait_until(lambda: len(spans) == 2)
        continued, begun = spans
        sent = lambda: b"".join(data for _, data in bodies)  # noqa: E731
        wait_until(lambda: bytes.fromhex(begun["traceId"]) in sent())
    assert continued["traceId"] == TRACE
    assert continued["parentSpanId"] not in ("", PARENT)
    assert bytes.fromhex(continued["parentSpanId"]) in sent()
    assert bytes.fromhex(TRACE) in sent()
    assert begun["traceId"] != TRACE
    assert bytes.fromhex(begun["parentSpanId"]) in sent()
    assert {path for path, _ in bodies} == {"/v1/traces"}
    assert attributes(continued)["hilir.model"] == MODEL
