"""A replica that keeps what reaches it over gRPC, as it was sent, and a sender of single HTTP/2 frames."""

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc

SERVICE = "/tensorflow.serving.PredictionService/"


@dataclass(frozen=True)
class Received:
    method: str
    message: bytes
    metadata: dict[str, str | bytes]


@dataclass
class Recorder(grpc.GenericRpcHandler):
    """Answers every call with an empty message, which is a valid answer of all methods."""

    port: int = 0
    calls: list[Received] = field(default_factory=list)

    def service(self, details):
        def answer(message: bytes, _context) -> bytes:
            self.calls.append(Received(details.method, message, dict(details.invocation_metadata)))
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)

    def of_request(self, request_id: str) -> list[Received]:
        return [call for call in self.calls if call.metadata.get("x-request-id") == request_id]


@contextlib.contextmanager
def recording():
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    recorder = Recorder()
    server.add_generic_rpc_handlers((recorder,))
    recorder.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield recorder
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def sending(address: str, path: str, pieces: list[bytes], **headers: str):
    """Sends a gRPC call whose message is cut into these DATA frames (RFC 9113); the call is open inside the context."""
    named = {":method": "POST", ":scheme": "http", ":path": path, ":authority": address, "te": "trailers"}
    named |= {"content-type": "application/grpc"} | {key.replace("_", "-"): value for key, value in headers.items()}
    # Header fields as literals that enter no table (RFC 7541, section 6.2.2).
    block = b"".join(b"\0" + _literal(name) + _literal(value) for name, value in named.items())
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"") + _frame(1, 4, 1, block))
        for number, piece in enumerate(pieces, start=1):
            connection.sendall(_frame(0, int(number == len(pieces)), 1, piece))
        yield


def _literal(text: str) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + content
