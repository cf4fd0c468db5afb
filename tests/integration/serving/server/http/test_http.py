"""HTTP at its edges: pipelining, limits, slow and broken clients."""

import socket

import pytest

from hilir.serving.server.rest import http_server
from hilir.serving.server.rest.http_message import HttpLimits
from tests.integration.serving.server_process import running, wait_until

BODY = b'{"instances": [2.0]}'
REQUEST = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def client(models):
    with running(
        model_base_path=str(models / "shapes"), model_name="m", max_request_bytes=100_000, max_in_flight=8
    ) as client:
        yield client


@pytest.fixture(scope="module")
def half(models):
    with running(model_base_path=str(models / "half_plus_two"), model_name="m") as client:
        yield client


def connect(client):
    return socket.create_connection(("127.0.0.1", client.rest_port), timeout=10)


def read_all(sock):
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def test_pipelined_requests_are_answered_in_order(half):
    with connect(half) as sock:
        bodies = [b'{"instances": [%d]}' % number for number in range(50)]
        sock.sendall(
            b"".join(
                b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                for body in bodies
            )
            + b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
        answers = read_all(sock)
    found = [float(part.split(b"]")[0]) for part in answers.split(b'"predictions": [')[1:]]
    assert found == [0.5 * number + 2 for number in range(50)]
    assert answers.endswith(b"ok\n")


def test_requests_in_small_pieces_and_in_chunks(half):
    with connect(half) as sock:
        for byte in REQUEST.replace(b"Host: x", b"Connection: close"):
            sock.sendall(bytes([byte]))
        assert b"3.0" in read_all(sock)
    with connect(half) as sock:
        sock.sendall(
            b"POST /v1/models/m:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"5\r\n%b\r\nf\r\n%b\r\n0\r\n\r\n" % (BODY[:5], BODY[5:])
        )
        assert b"3.0" in read_all(sock)


def test_expect_continue(half):
    with connect(half) as sock:
        head, _, body = REQUEST.replace(b"Host: x", b"Expect: 100-continue\r\nConnection: close").partition(b"\r\n\r\n")
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue")
        sock.sendall(body)
        assert b"3.0" in read_all(sock)


def test_http_1_0_and_head(half):
    with connect(half) as sock:
        sock.sendall(b"GET /v1/models/m HTTP/1.0\r\n\r\n")
        assert b"AVAILABLE" in read_all(sock)
    response = half.session.head(half.base + "/v1/models/m")
    assert (response.status_code, response.content) == (400, b"")


def test_a_client_that_sends_no_more_gets_its_answers(client):
    slow = b'{"signature_name": "slow", "instances": [20]}'
    requests = b"".join(
        b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(slow), slow) for _ in range(3)
    )
    for rest in (b"", b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n{"):
        with connect(client) as sock:
            sock.sendall(requests + rest)
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock).count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_no_http_at_all(half, data):
    with connect(half) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).startswith(b"HTTP/1.1 400 ")


def test_too_large(client):
    assert client.post("m:predict", b" " * 200_000).status_code == 413
    with connect(client) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(20):
                sock.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        except OSError:
            return
        assert b" 413 " in read_all(sock)
    with connect(client) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000)
        assert b" 431 " in sock.recv(1000)


def test_too_many_at_a_time(client):
    import concurrent.futures

    body = {"signature_name": "slow", "instances": [20]}
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        codes = list(pool.map(lambda _: client.post("m:predict", body).status_code, range(24)))
    assert set(codes) == {200, 503}
    assert 'hilir_requests_rejected{reason="in_flight"}' in client.get("/metrics").text


def test_a_slow_run_does_not_hold_up_others(client):
    """A long run: others are answered before it ends."""
    body = b'{"signature_name": "slow", "instances": [400]}'
    with connect(client) as sock:
        sock.sendall(b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        wait_until(lambda: b"hilir_requests_in_flight{} 1" in client.get("/metrics").content)
        for _ in range(20):
            assert client.get("/healthz").status_code == 200
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        sock.settimeout(60)
        assert sock.recv(20).startswith(b"HTTP/1.1 200")


def test_timeout(models):
    with running(model_base_path=str(models / "shapes"), model_name="m", rest_api_timeout_in_ms=100) as client:
        response = client.post("m:predict", {"signature_name": "slow", "instances": [100]})
        assert (response.status_code, response.json()["error"]) == (504, "Timed out waiting for notification")


def test_clients_that_stall_are_let_go(models, monkeypatch):
    limits = HttpLimits(header_seconds=0.5, body_stall_seconds=0.5, idle_seconds=0.5, max_connections=4)
    monkeypatch.setattr(
        "hilir.serving.server.app.HttpServer",
        lambda handler, _, budget: http_server.HttpServer(handler, limits, budget),
    )
    with running(model_base_path=str(models / "half_plus_two"), model_name="m") as client:
        with connect(client) as header, connect(client) as body, connect(client) as idle:
            header.sendall(b"POST /v1/models/m:predict HTTP/1.1\r\nHost")
            body.sendall(REQUEST[:-5])
            assert read_all(header).startswith(b"HTTP/1.1 408 ")
            assert read_all(body).startswith(b"HTTP/1.1 408 ")
            assert read_all(idle) == b""
        socks = [connect(client) for _ in range(6)]
        # The first four are let go as idle, without a word.
        assert [read_all(sock)[:13] for sock in socks] == [b""] * 4 + [b"HTTP/1.1 503 "] * 2
        for sock in socks:
            sock.close()


def test_a_client_that_leaves_during_a_run(client):
    for _ in range(5):
        sock = connect(client)
        body = b'{"signature_name": "slow", "instances": [100]}'
        sock.sendall(b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        sock.close()
    wait_until(lambda: b"hilir_requests_in_flight{} 0" in client.get("/metrics").content)
    assert client.get("/readyz").status_code == 200
