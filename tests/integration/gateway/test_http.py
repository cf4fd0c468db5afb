"""HTTP/1 as old and modern clients speak it, through the gateway; request ids."""

import http.server
import re
import socket
import threading

import pytest

from tests.integration.gateway.conftest import MODEL

BODY = b'{"instances":[[2.0]]}'
TARGET = b"/v1/models/%b:predict" % MODEL.encode()
LENGTH = b"Content-Length: %d" % len(BODY)
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")


def post(version: bytes, *headers: bytes, target: bytes = TARGET, body: bytes = BODY) -> bytes:
    return b"\r\n".join((b"POST %b HTTP/%b" % (target, version), *headers, b"", body))


def exchange(place, *requests: bytes) -> list[tuple[str, int, dict[str, str]]]:
    """Sends requests at once on one connection; returns what is answered: version, status, headers."""
    host, port = place.settings.listen.split(":")
    answers = []
    with socket.create_connection((host, int(port)), 10) as connection, connection.makefile("rb") as lines:
        connection.sendall(b"".join(requests))
        for _ in requests:
            version, status = re.match(r"(HTTP/1\.\d) (\d+)", lines.readline().decode()).groups()
            headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(lines.readline, b"\r\n"))
            lines.read(int(headers["content-length"]))
            answers.append((version, int(status), headers))
        if answers[-1][2].get("connection") == "close":
            assert lines.read() == b""
    return answers


def test_http_1_0_is_answered_with_and_without_a_host_and_closes(place):
    for request in (
        post(b"1.0", LENGTH),
        post(b"1.0", LENGTH, b"Host: models"),
        b"GET /v1/models/%b HTTP/1.0\r\n\r\n" % MODEL.encode(),
        b"GET /healthz HTTP/1.0\r\n\r\n",
    ):
        ((version, status, headers),) = exchange(place, request)
        assert (version, status, headers["connection"]) == ("HTTP/1.0", 200, "close")


def test_http_1_0_keeps_a_connection_that_the_client_wants_to_keep(place):
    kept = post(b"1.0", LENGTH, b"Connection: Keep-Alive")
    answers = exchange(place, kept, kept, kept)
    assert {(status, headers["connection"]) for _, status, headers in answers} == {(200, "keep-alive")}


def test_http_1_1_still_needs_a_host(place):
    ((_, status, _),) = exchange(place, post(b"1.1", LENGTH))
    assert status == 400


@pytest.mark.parametrize("offer", [H2C, (b"Connection: Upgrade", b"Upgrade: TLS/1.2, HTTP/1.1"), (b"Upgrade: other",)])
def test_offers_to_change_the_protocol_are_ignored(place, offer):
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    requests = (
        post(b"1.1", b"Host: models", LENGTH, *offer),
        post(b"1.1", b"Host: models", b"Transfer-Encoding: chunked", *offer, body=chunked),
        b"\r\n".join((b"GET /v1/models/%b HTTP/1.1" % MODEL.encode(), b"Host: models", *offer, b"", b"")),
        post(b"1.1", b"Host: models", LENGTH),
    )
    assert [status for _, status, _ in exchange(place, *requests)] == [200] * 4


def test_absolute_targets_are_understood(place):
    ((_, status, headers),) = exchange(place, post(b"1.1", b"Host: other", LENGTH, target=b"http://models" + TARGET))
    assert (status, headers["x-model-version"] in ("1", "2")) == (200, True)


@pytest.mark.parametrize(
    "given",
    [
        "mine",
        "two words",
        "x" * 300,
        "3fa85f64-5717-1562-b3fc-2c963f66afa6",
        "018f3a5e-7b2a-7c3d-9e4f-1a2b3c4d5e6f",
        None,
    ],
)
def test_answer_and_log_have_the_callers_request_id_or_one_of_envoys(place, given):
    """UUIDs of all versions among them: Envoy would write into them by itself."""
    answer = place.ask(**({"X_Request_Id": given} if given else {}))
    told = [value for name, value in answer.raw.headers.items() if name.lower() == "x-request-id"]
    assert len(told) == 1
    assert given in (None, *told)
    (line,) = place.wait_for_log(request_id=told[0])
    assert line["model"] == MODEL


def test_replicas_get_the_request_id_that_the_caller_gets(another):
    seen: list[list[str]] = []

    class Replica(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            seen.append(self.headers.get_all("x-request-id"))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("X-Request-Id", "the server's own")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Replica) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with another([server.server_port]) as place:
            told = [place.ask(**headers).headers["X-Request-Id"] for headers in ({"X_Request_Id": "mine"}, {})]
        server.shutdown()
    assert seen == [[value] for value in told]
    assert told[0] == "mine" != told[1]
