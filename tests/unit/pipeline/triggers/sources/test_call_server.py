"""Calls over HTTP: written down before they are answered, once per key, only with the token, and bounded."""

import http.client
import json
import socket
import threading

import pytest

from hilir.pipeline.triggers.daemon.state import State
from hilir.pipeline.triggers.sources.call_server import CallServer
from hilir.pipeline.triggers.sources.calls import Calls
from hilir.pipeline.triggers.sources.payload import Span

TOKEN = "a-token-for-this-test"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def server(tmp_path):
    server = CallServer(("127.0.0.1", 0), TOKEN, State(tmp_path), lambda: {"runs": []}, lambda: True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(server, method, path, body=None, headers=AUTHORIZED):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = json.loads(answer.read())
    connection.close()
    return answer.status, text


def look(server, memory=None):
    return Calls(server.state).look(memory or {}, None)


def test_a_call_becomes_a_firing_with_its_reason_and_spans(server):
    body = json.dumps({"why": "labels were mended", "spans": [{"span": 7, "version": 2}, {"span": 8}]})
    assert ask(server, "POST", "/runs", body)[0] == 202
    found = look(server)
    (firing,) = found.firings
    assert (firing.payload.what, firing.payload.why) == ("call", "labels were mended")
    assert firing.payload.spans == (Span(7, 2), Span(8))
    assert look(server, found.memory).firings == ()


def test_a_repeated_call_is_one_call(server):
    headers = AUTHORIZED | {"Idempotency-Key": "k1"}
    assert ask(server, "POST", "/runs", headers=headers) == (202, {"key": "k1", "known": False})
    assert ask(server, "POST", "/runs", headers=headers) == (202, {"key": "k1", "known": True})
    assert len(look(server).firings) == 1
    ask(server, "POST", "/runs")
    ask(server, "POST", "/runs")
    assert len(look(server).firings) == 3


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
def test_without_the_token_nothing_happens(server, header):
    assert ask(server, "POST", "/runs", headers=header)[0] == 401
    assert ask(server, "GET", "/status", headers=header)[0] == 401
    assert ask(server, "GET", "/healthz", headers=header) == (200, {"healthy": True})
    assert look(server).firings == ()


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        ("{", {}, 400, "body: Invalid JSON"),
        ('{"wy": "x"}', {}, 400, "wy: Extra inputs"),
        ('{"spans": [{"span": -1}]}', {}, 400, "spans.0.span"),
        ('{"spans": [{"span": true}]}', {}, 400, "spans.0.span"),
        ('{"why": ""}', {}, 400, "why"),
        ("x" * 65_537, {}, 413, "65536 bytes"),
        ("", {"Content-Length": "-1"}, 400, "not a number"),
        ("", {"Transfer-Encoding": "chunked"}, 411, "Content-Length"),
        ("", {"Idempotency-Key": "k" * 201}, 400, "longer than 200"),
    ],
)
def test_a_wrong_call_is_refused_with_the_reason(server, body, headers, status, message):
    found, text = ask(server, "POST", "/runs", body, AUTHORIZED | headers)
    assert found == status
    assert message in text["error"]
    assert look(server).firings == ()


def test_other_addresses(server):
    assert ask(server, "GET", "/status") == (200, {"runs": []})
    assert ask(server, "GET", "/runs")[0] == 404
    assert ask(server, "POST", "/status")[0] == 404


def test_more_connections_than_the_bound_are_closed(server):
    address = ("127.0.0.1", server.server_address[1])
    silent = [socket.create_connection(address) for _ in range(16)]
    try:
        extra = socket.create_connection(address, timeout=10)
        assert extra.recv(1) == b""
        extra.close()
    finally:
        for connection in silent:
            connection.close()
