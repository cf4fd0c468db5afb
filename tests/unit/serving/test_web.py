"""The server of small web applications: its bounds, and that it stops."""

import socket
import threading
import urllib.request

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from hilir.serving import web
from hilir.serving.web import WebServer

ended = threading.Event()


async def _pieces():
    for _ in range(1000):
        yield bytes(1 << 16)
    ended.set()


def _hello(_request):
    return PlainTextResponse("hello")


def _large(_request):
    return StreamingResponse(_pieces())


APP = Starlette(routes=[Route("/hello", _hello), Route("/large", _large)])


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
