"""Calls over HTTP: written down before they are answered, once per key, only with the token, and bounded."""

import contextlib
import http.client
import json
import socket

import pytest

from hilir.pipeline.triggers.daemon.daemon_state import State
from hilir.pipeline.triggers.sources.call_server import make_call_app
from hilir.pipeline.triggers.sources.calls import Calls
from hilir.pipeline.triggers.sources.payload import Span
from hilir.serving import web
from hilir.serving.web import WebServer

TOKEN = "a-token-for-this-test"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def state(tmp_path):
    return State(tmp_path)


@pytest.fixture
def server(state):
    with WebServer(make_call_app(TOKEN, state, lambda: {"runs": []}, lambda: True), ("127.0.0.1", 0)) as server:
        yield server


def ask(server, method, path, body=None, headers=AUTHORIZED):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = json.loads(answer.read())
    connection.close()
    return answer.status, text


def look(state, memory=None):
    return Calls(state).look(memory or {}, None)


def test_a_call_becomes_a_firing_with_its_reason_and_spans(server, state):
    body = json.dumps({"why": "labels were mended", "spans": [{"span": 7, "version": 2}, {"span": 8}]})
    assert ask(server, "POST", "/runs", body)[0] == 202
    found = look(state)
    (firing,) = found.firings
    assert (firing.payload.what, firing.payload.why) == ("call", "labels were mended")
    assert firing.payload.spans == (Span(7, 2), Span(8))
    assert look(state, found.memory).firings == ()


def test_a_repeated_call_is_one_call(server, state):
    headers = AUTHORIZED | {"Idempotency-Key": "k1"}
    assert ask(server, "POST", "/runs", headers=headers) == (202, {"key": "k1", "known": False})
    assert ask(server, "POST", "/runs", headers=headers) == (202, {"key": "k1", "known": True})
    assert len(look(state).firings) == 1
    ask(server, "POST", "/runs")
    ask(server, "POST", "/runs")
    assert len(look(state).firings) == 3


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
def test_without_the_token_nothing_happens(server, state, header):
    assert ask(server, "POST", "/runs", headers=header)[0] == 401
    assert ask(server, "GET", "/status", headers=header)[0] == 401
    assert ask(server, "GET", "/healthz", headers=header) == (200, {"healthy": True})
    assert look(state).firings == ()


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        ("{", {}, 400, "body: Invalid JSON"),
        ('{"wy": "x"}', {}, 400, "wy: Extra inputs"),
        ('{"spans": [{"span": -1}]}', {}, 400, "spans.0.span"),
        ('{"spans": [{"span": true}]}', {}, 400, "spans.0.span"),
        ('{"why": ""}', {}, 400, "why"),
        ("x" * 65_537, {}, 413, "65536 bytes"),
        ("", {"Idempotency-Key": "k" * 201}, 400, "longer than 200"),
    ],
)
def test_a_wrong_call_is_refused_with_the_reason(server, state, body, headers, status, message):
    found, text = ask(server, "POST", "/runs", body, AUTHORIZED | headers)
    assert found == status
    assert message in text["error"]
    assert look(state).firings == ()


def test_other_addresses(server):
    assert ask(server, "GET", "/status") == (200, {"runs": []})
    assert ask(server, "GET", "/runs")[0] == 404
    assert ask(server, "POST", "/status")[0] == 404


def exchange(server, data, end=False):
    """What comes back until the server closes the connection."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
        sock.sendall(data)
        if end:
            sock.shutdown(socket.SHUT_WR)
        try:
            while chunk := sock.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
    return answer


HEAD = f"POST /runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
WHY = b'{"why": "this"}'


@pytest.mark.parametrize(
    "call",
    [
        HEAD + H2C + b"Content-Length: 15\r\n\r\n" + WHY,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n%b\r\na\r\n%b\r\n0\r\n\r\n" % (WHY[:5], WHY[5:]),
        HEAD.replace(b"POST /runs", b"POST http://x:80/runs") + b"Content-Length: 15\r\n\r\n" + WHY,
        HEAD + b"TE: trailers\r\nAccept-Encoding: br\r\nContent-Length: 15\r\n\r\n" + WHY,
    ],
)
def test_what_a_client_may_choose_or_offer(server, state, call):
    answer = exchange(server, call + LAST)
    assert (answer.count(b"HTTP/1.1 202"), answer.count(b"HTTP/1.1 200")) == (1, 1)
    assert [firing.payload.why for firing in look(state).firings] == ["this"]


def test_a_body_is_not_asked_for_without_the_token(server):
    head = b"POST /runs HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 15\r\n"
    assert exchange(server, head + b"\r\n").startswith(b"HTTP/1.1 401")
    good = exchange(server, head + b"Authorization: Bearer %b\r\n\r\n" % TOKEN.encode(), end=True)
    assert good.startswith(b"HTTP/1.1 100")


def test_http_1_0_gets_no_interim_answer(server):
    head = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
    assert exchange(server, head).startswith(b"HTTP/1.1 202")


def test_chunks_are_bounded_too(server, state):
    chunks = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert exchange(server, HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks * 3).startswith(
        b"HTTP/1.1 413"
    )
    assert look(state).firings == ()


def test_a_length_that_is_not_a_number(server):
    assert exchange(server, HEAD + b"Content-Length: -1\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_slow_clients_are_let_go(server, state, monkeypatch):
    monkeypatch.setattr(web, "SECONDS", 0.3)
    assert exchange(server, b"") == b""
    assert exchange(server, HEAD) == b""
    assert exchange(server, HEAD + b"Content-Length: 15\r\n\r\n{").startswith(b"HTTP/1.1 408")
    assert exchange(server, LAST.replace(b"close", b"keep-alive")).startswith(b"HTTP/1.1 200")
    assert look(state).firings == ()


def test_of_more_connections_than_the_bound_the_longest_silent_one_is_closed(server, monkeypatch):
    monkeypatch.setattr(web, "SECONDS", 600)  # so that only the bound can close one
    address = ("127.0.0.1", server.port)
    silent = [socket.create_connection(address, timeout=10) for _ in range(web.MOST_CONNECTIONS)]
    try:
        answer = exchange(server, b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 4")
        with contextlib.suppress(ConnectionResetError):
            assert silent[0].recv(1) == b""
    finally:
        for connection in silent:
            connection.close()
