"""Running the real server in a test: in this process on a thread of its own, or as a child process."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import requests

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Client:
    """How a test talks to a server."""

    def __init__(self, port: int, rest_port: int, scheme: str = "http"):
        self.port, self.rest_port = port, rest_port
        self.base = f"{scheme}://127.0.0.1:{rest_port}"
        self.session = requests.Session()

    def post(self, path: str, body, **more) -> requests.Response:
        kind = "data" if isinstance(body, (bytes, str)) else "json"
        return self.session.post(f"{self.base}/v1/models/{path}", **{kind: body}, timeout=30, **more)

    def get(self, path: str, **more) -> requests.Response:
        return self.session.get(f"{self.base}{path}", timeout=30, **more)

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"127.0.0.1:{self.port}")


@contextlib.contextmanager
def running(**flags):
    """A server in this process; yields a Client with the ModelServer as `server`."""
    from hilir.serving.server.app import ModelServer
    from hilir.serving.server.options import ServeOptions

    flags = {"port": free_port(), "rest_api_port": free_port(), "hosts": ("127.0.0.1",), **flags}
    flags = {key: tuple(value) if isinstance(value, list) else value for key, value in flags.items()}
    options = ServeOptions(**flags)
    started, failure, box, said = threading.Event(), [], {}, []

    async def main():
        server = ModelServer(options, said.append)
        box["server"], box["loop"] = server, asyncio.get_running_loop()
        await server.run(started.set)

    def work():
        import uvloop

        try:
            uvloop.run(main())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failure.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=work)
    thread.start()
    if not started.wait(60):
        raise AssertionError(f"the server did not start: {said}")
    if failure:
        thread.join()
        raise failure[0]
    client = Client(options.port, options.rest_api_port, "https" if options.rest_tls else "http")
    client.server, client.said = box["server"], said
    try:
        yield client
    finally:
        box["loop"].call_soon_threadsafe(box["server"].stopping.set)
        thread.join(60)
        assert not thread.is_alive(), "the server did not stop within a minute"
    if failure:
        raise failure[0]


@contextlib.contextmanager
def spawned(*flags: str, cwd: Path | None = None, wait: float = 60.0):
    """A server in a child process; yields a Client with the Popen as `process`."""
    ports = free_port(), free_port()
    given = " ".join(flags)
    if "--port" not in given:
        flags += (f"--port={ports[0]}",)
    if "--rest_api_port" not in given:
        flags += (f"--rest_api_port={ports[1]}",)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        [sys.executable, "-m", "hilir.serving.server", *flags],
        cwd=cwd or ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    reader.start()
    rest_port = int(next(flag for flag in flags if flag.startswith("--rest_api_port=")).split("=")[1])
    port = int(next(flag for flag in flags if flag.startswith("--port=")).split("=")[1])
    client = Client(port, rest_port)
    client.process, client.lines = process, lines
    try:
        wait_until(lambda: process.poll() is not None or _connects(rest_port), wait)
        yield client
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)


def _connects(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_until(condition, seconds: float = 60.0, what: str = "the condition") -> None:
    """Poll until `condition()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true in {seconds} s")
