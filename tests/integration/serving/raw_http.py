"""Bytes to the server's REST port and status codes back, with no HTTP library between that would mend them."""

import re
import socket

# What a request may be answered with, however malformed it is.
ALLOWED = {100, 200, 400, 401, 404, 408, 413, 414, 415, 429, 431, 501, 503, 504}


def exchange(port: int, data: bytes) -> bytes:
    """Send the bytes, say that no more will come, and return all that is answered within five seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        try:
            while chunk := sock.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


def statuses(answer: bytes) -> list[int]:
    """The status code of each response."""
    found = []
    while answer:
        head, _, answer = answer.partition(b"\r\n\r\n")
        version, status = head.split(b" ")[:2]
        assert version == b"HTTP/1.1", head
        found.append(int(status))
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        # The answer to HEAD tells a length and has no body.
        if length and not answer.startswith(b"HTTP/1.1 "):
            answer = answer[int(length[1]) :]
    return found


def post(target: bytes, body: bytes) -> bytes:
    """A request with this target and body, whose connection ends with it."""
    return b"POST %b HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (target, len(body), body)
