"""The server of small web applications: its bounds, and that it stops."""

import contextlib
import http.client
import socket
import threading
import urllib.request

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from hilir.serving import web
from hilir.serving.web import WebServer
from tests.integration.serving.server_process import wait_until

ended = threading.Event()


async def _pieces():
    for _ in range(1000):
        yield bytes(1 << 16)
    ended.set()


def _hello(_request):
    return PlainTextResponse("hello")


def _large(_request):
    return StreamingResponse(_pieces())


async def _count(request):
    return PlainTextResponse(str(len(await web.read_body(request, 1 << 20))))


gate = threading.Event()


def _work(_request):
    gate.wait(60)
    return PlainTextResponse("done")


ROUTES = [
    Route("/hello", _hello),
    Route("/large", _large),
    Route("/count", _count, methods=["POST"]),
    Route("/work", _work),
]
APP = Starlette(routes=ROUTES)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_its_address_works(host):
    with WebServer(APP, (host, 0)) as server, urllib.request.urlopen(f"{server.url}/hello") as response:
        assert response.read() == b"hello"


def test_a_client_that_does_not_read_is_let_go(monkeypatch):
    """Without the bound, the application would wait for it for ever."""
    monkeypatch.setattr(web, "SECONDS", 0.5)
    ended.clear()
    with WebServer(APP, ("127.0.0.1", 0)) as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ended.wait(60)


def test_a_client_that_reads_gets_all():
    with WebServer(APP, ("127.0.0.1", 0)) as server, urllib.request.urlopen(f"{server.url}/large") as response:
        assert len(response.read()) == 1000 << 16


def _is_answered(server):
    try:
        return urllib.request.urlopen(f"{server.url}/hello", timeout=5).read() == b"hello"
    except OSError:
        return False


HALVES = [
    b"",
    b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
    b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
]


@pytest.mark.parametrize("half", HALVES, ids=["nothing", "half a head", "idle", "half a body", "unread answer"])
def test_clients_that_keep_their_connections_waiting_lock_nobody_out(half, monkeypatch):
    monkeypatch.setattr(web, "SECONDS", 600.0)
    with WebServer(APP, ("127.0.0.1", 0), connections=4) as server, contextlib.ExitStack() as stack:
        slow = []
        for _ in range(12):
            slow.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.port))))
            slow[-1].sendall(half)
        # Until the buffers of an unread answer are full, the application is at work on it.
        wait_until(lambda: _is_answered(server), seconds=20)
        for _ in range(3):
            with urllib.request.urlopen(f"{server.url}/hello", timeout=5) as response:
                assert response.read() == b"hello"
        slow[0].settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            while slow[0].recv(1 << 20):
                pass


def test_connections_at_work_are_not_closed_for_a_new_one():
    gate.clear()
    with WebServer(APP, ("127.0.0.1", 0), connections=2) as server, contextlib.ExitStack() as stack:
        busy = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(2)]
        for each in busy:
            each.sendall(b"GET /work HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait_until(lambda: len(server._server.server_state.tasks) == 2)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            urllib.request.urlopen(f"{server.url}/hello", timeout=5)
        gate.set()
        for each in busy:
            each.settimeout(5)
            answer = b"".join(iter(lambda sock=each: sock.recv(1 << 16), b""))
            assert answer.endswith(b"done")


def test_it_stops_although_clients_are_connected_and_gives_the_port_back():
    with WebServer(APP, ("127.0.0.1", 0)) as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(8) == b"HTTP/1.1"
        server.stop()
    with WebServer(APP, ("127.0.0.1", server.port)) as again:
        assert again.port == server.port


def test_a_taken_port_and_a_foreign_address_are_errors():
    with WebServer(APP, ("127.0.0.1", 0)) as server, pytest.raises(OSError, match="in use"):
        WebServer(APP, ("127.0.0.1", server.port))
    with pytest.raises(OSError, match="assign"):
        WebServer(APP, ("192.0.2.1", 0))
