"""What a model server must get right in HTTP; each case is a function of a port that fails with an AssertionError."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Callable

from benchmarks.serve.candidates.apps import IDLE_SECONDS

BODY = b'{"instances": [2.0]}'
ZIPPED = gzip.compress(BODY)
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
LAST = b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SIZE = b'{"size": %d}' % len(BODY)
EMPTY = b'{"size": 0}'
PATIENCE = 8.0


def post(more: bytes = b"", body: bytes = BODY, version: bytes = b"1.1", target: bytes = b"/echo") -> bytes:
    """A request."""
    head = b"POST %b HTTP/%b\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n" % (target, version, more, len(body))
    return head + body


def read(sock: socket.socket) -> bytes:
    """What comes until the server closes."""
    answer = b""
    try:
        while chunk := sock.recv(65536):
            answer += chunk
    except ConnectionResetError:
        pass
    return answer


def exchange(port: int, data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Status, head and body of each answer until the server closes; fails if it does not."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(data)
        answer = read(sock)
    found = []
    while answer:
        head, _, answer = answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        found.append((int(head.split()[1]), head.lower(), answer[:size]))
        answer = answer[size:]
    return found


def expect(port: int, data: bytes, *bodies: bytes) -> None:
    """Check the bodies of the answers, all with status 200."""
    assert [(status, body) for status, _, body in exchange(port, data)] == [(200, body) for body in bodies]


def h2c_post(port: int) -> None:
    expect(port, post(H2C) + post() + LAST, SIZE, SIZE, EMPTY)


def h2c_get(port: int) -> None:
    expect(port, b"GET /echo HTTP/1.1\r\nHost: x\r\n%b\r\n" % H2C + post() + LAST, EMPTY, SIZE, EMPTY)


def h2c_chunked(port: int) -> None:
    chunks = b"5\r\n%b\r\nf\r\n%b\r\n0\r\n\r\n" % (BODY[:5], BODY[5:])
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\n%bTransfer-Encoding: chunked\r\n\r\n" % H2C
    expect(port, head + chunks + LAST, SIZE, EMPTY)


def http_1_0_keep_alive(port: int) -> None:
    kept, last = exchange(port, post(b"Connection: Keep-Alive\r\n", version=b"1.0") + post(version=b"1.0"))
    assert b"connection: keep-alive" in kept[1]
    assert last[2] == SIZE


def http_1_0_no_interim(port: int) -> None:
    expect(port, post(b"Expect: 100-continue\r\n", version=b"1.0"), SIZE)


def http_1_1_interim(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(post(b"Expect: 100-continue\r\nConnection: close\r\n")[: -len(BODY)])
        assert sock.recv(100).startswith(b"HTTP/1.1 100")
        sock.sendall(BODY)
        assert read(sock).endswith(SIZE)


def absolute_form(port: int) -> None:
    expect(port, post(target=b"http://x:80/echo") + LAST, SIZE, EMPTY)


def x_gzip(port: int) -> None:
    expect(port, post(b"Content-Encoding: x-gzip\r\n", ZIPPED) + LAST, SIZE, EMPTY)


def identity_gzip(port: int) -> None:
    expect(port, post(b"Content-Encoding: identity, gzip\r\n", ZIPPED) + LAST, SIZE, EMPTY)


def gzip_members(port: int) -> None:
    members = gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])
    expect(port, post(b"Content-Encoding: gzip\r\n", members) + LAST, SIZE, EMPTY)


def broken_gzip(port: int) -> None:
    first, last = exchange(port, post(b"Content-Encoding: gzip\r\n", BODY) + LAST)
    assert first[0] == 400
    assert b"inflated" in json.loads(first[2])["error"].encode()
    assert last[2] == EMPTY


def preflight(port: int) -> None:
    data = b"OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: https://a\r\nAccess-Control-Request-Method: POST\r\n\r\n"
    first, _ = exchange(port, data + LAST)
    assert first[0] == 200
    assert b"authorization" in first[1]


def pipelining(port: int) -> None:
    bodies = [b"x" * number for number in range(50)]
    data = b"".join(post(body=body) for body in bodies)
    expect(port, data + LAST, *(b'{"size": %d}' % len(body) for body in bodies), EMPTY)


def header_limit(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        try:
            sock.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000)
        except ConnectionError:
            return
        answer = read(sock)
    assert answer == b"" or 400 <= int(answer.split()[1]) < 500


def large_body_early(port: int) -> None:
    data = post()[: -len(BODY)].replace(b"Content-Length: 20", b"Content-Length: 2000000000")
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(data)
        assert sock.recv(100).startswith(b"HTTP/1.1 413")


def slow_head(port: int) -> None:
    found = exchange(port, b"POST /echo HTTP/1.1\r\nHos")
    assert [status for status, _, _ in found] in ([], [408])


def slow_body(port: int) -> None:
    found = exchange(port, post(b"Connection: close\r\n")[:-3])
    assert [status for status, _, _ in found] in ([], [408])


def silent_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=4 * IDLE_SECONDS) as sock:
        assert read(sock) == b""


CASES: dict[str, Callable[[int], None]] = {
    "h2c offer, POST": h2c_post,
    "h2c offer, GET": h2c_get,
    "h2c offer, chunked": h2c_chunked,
    "HTTP/1.0 keep-alive": http_1_0_keep_alive,
    "HTTP/1.0 without 100": http_1_0_no_interim,
    "HTTP/1.1 with 100": http_1_1_interim,
    "absolute target": absolute_form,
    "x-gzip": x_gzip,
    "identity, gzip": identity_gzip,
    "gzip of two members": gzip_members,
    "broken gzip": broken_gzip,
    "CORS preflight": preflight,
    "50 pipelined": pipelining,
    "header of 1 MB": header_limit,
    "413 before the body": large_body_early,
    "slow head": slow_head,
    "slow body": slow_body,
    "silent connection": silent_connection,
}
