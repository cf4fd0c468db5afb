"""Runs the collector of outcomes until it is stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

from hilir.serving.collector.collector_app import make_app
from hilir.serving.errors import ServingConfigError, ServingStartError
from hilir.serving.outcomes.outcome_store import OutcomeStore
from hilir.serving.outcomes.receive import PATH
from hilir.serving.server.security.tokens import Tokens
from hilir.serving.web import WebServer

_CONNECTIONS = 1024


def parse_listen(listen: str) -> tuple[str, int]:
    """Returns host and port.

    Raises:
        ServingConfigError: it is not HOST:PORT.
    """
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ServingConfigError(f"--listen {listen}: not HOST:PORT; write it like 127.0.0.1:8650")
    return host.strip("[]"), int(port)


def run_collector(store: OutcomeStore, listen: str, tokens: Tokens | None, say: Callable[[str], None]) -> None:
    """Answers until SIGINT or SIGTERM comes; requests in progress are finished.

    Raises:
        ServingConfigError: the address is none.
        ServingStartError: the address is taken.
    """
    address = parse_listen(listen)
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        server = WebServer(make_app(store, tokens), address, _CONNECTIONS)
    except OSError as error:
        raise ServingStartError(f"{listen}: cannot be listened on ({error.strerror}); choose --listen") from None
    with server:
        say(f"Outcomes on {server.url}{PATH} into {store.place}")
        if tokens is None and address[0] not in ("127.0.0.1", "::1", "localhost"):
            say("Anybody who reaches this port can send outcomes. Use --tokens-file.")
        stopping.wait()
        say("Stopping: finishing the requests in progress.")
    store.close()
