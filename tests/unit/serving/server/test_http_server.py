"""What the HTTP server holds for its clients is given back."""

import asyncio
import gzip

import pytest

from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.rest.http_message import HttpLimits, Response
from hilir.serving.server.rest.http_server import HttpServer

HEAD = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n%b\r\n%b"
H2C = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
GZIP = b"Content-Encoding: gzip\r\n"
ZIPPED = gzip.compress(bytes(5000))


@pytest.mark.parametrize(
    "data",
    [
        HEAD % (3, b"", b"abc") * 40,
        HEAD % (3, H2C, b"abc") * 3,
        HEAD % (len(ZIPPED), GZIP, ZIPPED) * 2,
        HEAD % (3, GZIP, b"abc"),
        HEAD % (3, b"", b"abc") + HEAD % (9, b"", b"cut"),
        HEAD % (9, H2C, b"cut"),
        HEAD % (3, b"", b"abc") + b"GARBAGE\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz",
    ],
)
def test_nothing_stays_buffered(data):
    held = []

    def handler(request, respond):
        held.append(server.shared.budget.held)
        respond(Response(200, b"%d" % len(request.body)))

    server = HttpServer(handler, HttpLimits(max_body=10_000), MemoryBudget())

    async def talk():
        listener = await asyncio.get_running_loop().create_server(server.factory, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        writer.write(data)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 20)
        writer.close()
        await server.drain(20)
        listener.close()

    asyncio.run(talk())
    assert all(size > 0 for size in held)
    assert (server.shared.budget.held, server.shared.connections) == (0, set())
