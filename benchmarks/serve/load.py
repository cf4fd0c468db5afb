"""A load generator in a process of its own: HTTP or gRPC, closed loop or at a rate; prints one line of JSON.

`python -m benchmarks.serve.load rest|grpc --port P --path … --body FILE --clients N --seconds S [--rate R]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from pathlib import Path

import uvloop


class HttpClient(asyncio.Protocol):
    """One keep-alive connection; sends the next request when the response is whole."""

    def __init__(self, request: bytes, results: Results) -> None:
        self.request = request
        self.results = results
        self.data = b""
        self.started = 0.0
        self.waiter: asyncio.Future | None = None

    def connection_made(self, transport) -> None:
        self.transport = transport

    def send(self, started: float | None = None) -> asyncio.Future:
        self.waiter = asyncio.get_running_loop().create_future()
        self.data = b""
        self.started = started or time.perf_counter()
        self.transport.write(self.request)
        return self.waiter

    def data_received(self, data: bytes) -> None:
        self.data = self.data + data if self.data else data
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.data[:end].lower()
        start = head.index(b"content-length:") + 15
        stop = head.find(b"\r\n", start)
        length = int(head[start : stop if stop > 0 else None])
        if len(self.data) >= end + 4 + length:
            self.results.add(self.started, self.data.startswith(b"HTTP/1.1 200"))
            if self.waiter is not None and not self.waiter.done():
                self.waiter.set_result(None)

    def connection_lost(self, _exc) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.results.add(self.started, False)
            self.waiter.set_result(None)


class Results:
    """Latencies and failures."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, bool]] = []

    def add(self, started: float, good: bool) -> None:
        self.rows.append((started, time.perf_counter() - started, good))

    def summary(self, begin: float, end: float, raw: bool) -> dict:
        rows = [row for row in self.rows if begin <= row[0] and row[0] + row[1] <= end + 5]
        times = sorted(row[1] * 1e3 for row in rows if row[2]) or [float("nan")]
        result = {
            "requests": len(rows),
            "failed": sum(not row[2] for row in rows),
            "per_second": round(len([row for row in rows if row[0] + row[1] <= end]) / (end - begin), 1),
            "p50_ms": round(statistics.median(times), 3),
            "p99_ms": round(times[int(len(times) * 0.99) - (len(times) > 100)], 3),
        }
        if raw:
            offset = time.time() - time.perf_counter()
            result["rows"] = [[round(row[0] + offset, 4), round(row[1] * 1e3, 3), row[2]] for row in rows]
        return result


async def rest(args) -> Results:
    body = Path(args.body).read_bytes()
    head = (
        f"POST {args.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    results = Results()
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(args.clients):
        _, client = await loop.create_connection(
            lambda: HttpClient(head.encode() + body, results), "127.0.0.1", args.port
        )
        clients.append(client)
    await drive(clients, args)
    return results


class GrpcConnection(asyncio.Protocol):
    """One HTTP/2 connection with several calls at a time, each request made of the same ready bytes.

    grpc's own Python client costs more than the server; this one leaves the second core to the server.
    """

    def __init__(self, body: bytes, results: Results) -> None:
        message = b"\0" + len(body).to_bytes(4, "big") + body
        self.message = message
        self.results = results
        self.data = b""
        self.stream = -1
        self.window = 65_535
        self.calls: dict[int, tuple[float, asyncio.Future]] = {}
        self.answered: set[int] = set()
        self.blocked: list[tuple[float, asyncio.Future]] = []
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": "/tensorflow.serving.PredictionService/Predict",
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        self.headers = b"".join(
            b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
            for name, value in headers.items()
        )

    @staticmethod
    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def connection_made(self, transport) -> None:
        self.transport = transport
        window = (2**31 - 1).to_bytes(4, "big")
        transport.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + self.frame(4, 0, 0, b"\0\4" + window)
            + self.frame(8, 0, 0, (2**31 - 1 - 65_535).to_bytes(4, "big"))
        )

    def call(self, started: float | None = None) -> asyncio.Future:
        future = asyncio.get_running_loop().create_future()
        self.start(started or time.perf_counter(), future)
        return future

    def start(self, started: float, future: asyncio.Future) -> None:
        if self.window < len(self.message):
            self.blocked.append((started, future))
            return
        self.window -= len(self.message)
        self.stream += 2
        self.calls[self.stream] = (started, future)
        self.transport.write(self.frame(1, 4, self.stream, self.headers) + self.frame(0, 1, self.stream, self.message))

    def data_received(self, data: bytes) -> None:
        data = self.data + data
        position = 0
        while len(data) - position >= 9:
            end = position + 9 + int.from_bytes(data[position : position + 3], "big")
            if end > len(data):
                break
            kind, flags = data[position + 3], data[position + 4]
            stream = int.from_bytes(data[position + 5 : position + 9], "big")
            self.handle(kind, flags, stream, data[position + 9 : end])
            position = end
        self.data = data[position:]

    def handle(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == 0:
            self.answered.add(stream)
        elif kind in (1, 3) and (kind == 3 or flags & 1):
            started, future = self.calls.pop(stream)
            self.results.add(started, stream in self.answered)
            self.answered.discard(stream)
            if not future.done():
                future.set_result(None)
        elif kind == 4 and not flags & 1:
            self.transport.write(self.frame(4, 1, 0, b""))
        elif kind == 6 and not flags & 1:
            self.transport.write(self.frame(6, 1, 0, payload))
        elif kind == 8 and stream == 0:
            self.window += int.from_bytes(payload, "big")
            blocked, self.blocked = self.blocked, []
            for started, future in blocked:
                self.start(started, future)

    def connection_lost(self, _exc) -> None:
        for started, future in self.calls.values():
            self.results.add(started, False)
            if not future.done():
                future.set_result(None)


class GrpcClient:
    """One caller on a shared connection."""

    def __init__(self, connection: GrpcConnection) -> None:
        self.connection = connection

    def send(self, started: float | None = None) -> asyncio.Future:
        return self.connection.call(started)


async def grpc_load(args) -> Results:
    results = Results()
    body = Path(args.body).read_bytes()
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(min(4, args.clients)):
        _, connection = await loop.create_connection(lambda: GrpcConnection(body, results), "127.0.0.1", args.port)
        connections.append(connection)
    await drive([GrpcClient(connections[i % len(connections)]) for i in range(args.clients)], args)
    return results


async def drive(clients, args) -> None:
    end = time.perf_counter() + args.warmup + args.seconds
    args.begin = time.perf_counter() + args.warmup

    async def closed(client) -> None:
        while time.perf_counter() < end:
            await client.send()

    async def at_rate() -> None:
        free: asyncio.Queue = asyncio.Queue()
        for client in clients:
            free.put_nowait(client)
        start, sent, tasks = time.perf_counter(), 0, set()

        async def one(client, due: float) -> None:
            await client.send(due)
            free.put_nowait(client)

        while (due := start + sent / args.rate) < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            client = await free.get()
            task = asyncio.ensure_future(one(client, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    await (at_rate() if args.rate else asyncio.gather(*map(closed, clients)))
    args.end = end


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=("rest", "grpc"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="")
    parser.add_argument("--body", required=True)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--raw", action="store_true")
    args = parser.parse_args()
    results = uvloop.run((rest if args.protocol == "rest" else grpc_load)(args))
    print(json.dumps(results.summary(args.begin, args.end, args.raw)))


if __name__ == "__main__":
    main()
