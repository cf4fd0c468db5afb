"""The processes of a project: server, gateway, taker of outcomes, monitor and watcher, each by its command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.integration.serving.server_process import ROOT, free_port
from tests.loop.shop import MODEL
from tests.notified import KEY, KEY_VARIABLE

HILIR = [sys.executable, "-m", "hilir.pipeline.cli"]


def find_environment(actor: str) -> dict[str, str]:
    """The environment of a command that somebody types in a folder that is not the repository."""
    own = {"HILIR_ACTOR": actor, KEY_VARIABLE: KEY}
    return os.environ | own | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


class Running:
    """A project's folder with its processes; commands are typed there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "out" / "models"
        self.config = folder / f"{MODEL}.yaml"
        ports = {name: f"127.0.0.1:{free_port()}" for name in ("rest", "grpc", "listen", "status", "admin", "outcomes")}
        self.ports = ports
        self.url, self.rpc = f"http://{ports['listen']}", ports["listen"]
        self._processes: dict[str, subprocess.Popen] = {}
        (folder / "log").mkdir(exist_ok=True)

    @property
    def release_options(self) -> list[str]:
        """Options of a command that changes the release."""
        return ["--config", self.config.name, "--server", f"http://{self.ports['rest']}", "--timeout", "60"]

    def start(self, name: str, *words: str, actor: str = "operator") -> None:
        """Starts a command that goes on until the end."""
        with (self.folder / "log" / f"{name}.txt").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*HILIR, *words], cwd=self.folder, stdout=log, stderr=log, env=find_environment(actor)
            )

    def start_serving(self) -> None:
        """Starts what answers requests, and returns when it does."""
        (rest, grpc) = (self.ports[name].rpartition(":")[2] for name in ("rest", "grpc"))
        outcomes = str(self.folder / "out" / "outcomes.sqlite")
        self.start("serve", "serve", "--port", grpc, "--rest_api_port", rest, "--request-log", "log/requests")
        self.start("collector", "monitor", "serve", "--listen", self.ports["outcomes"], "--outcomes", outcomes)
        places = [f"--{name}={self.ports[name]}" for name in ("rest", "grpc", "listen", "status", "admin", "outcomes")]
        self.start("gateway", "gateway", "run", *places, "--access-log", "log/access.log", "--threads", "1")
        for url in (f"http://{self.ports['rest']}/v1/models/{MODEL}", f"http://{self.ports['outcomes']}/readyz"):
            self.wait(lambda url=url: _answers(url), 90, url)
        self.wait(lambda: _answers(f"http://{self.ports['status']}/ready"), 60, "the gateway")

    def call(self, *words: str, actor: str = "operator", code: int = 0) -> str:
        """Types a command; returns what it printed."""
        done = subprocess.run(
            [*HILIR, *words], cwd=self.folder, capture_output=True, text=True, check=False, timeout=500,
            env=find_environment(actor),
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout

    def state(self) -> dict[str, Any]:
        """The stored state of the release."""
        return json.loads((self.root / MODEL / "release.json").read_text())

    def wait(self, condition: Callable[[], Any], seconds: float, what: str) -> Any:
        """Returns what the condition gives when it is true, while all processes live."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            ended = [name for name, process in self._processes.items() if process.poll() is not None]
            assert not ended, f"{ended} ended\n{self.logs()}"
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s\n{self.logs()}"
            time.sleep(0.1)
        return found

    def logs(self) -> str:
        """The last lines of all processes."""
        texts = [f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted((self.folder / "log").glob("*.txt"))]
        runs = sorted((self.folder / "out" / "watch").rglob("*.err"))
        return "\n".join(texts + [f"== {path.name}\n{path.read_text()[-1500:]}" for path in runs])

    def stop(self) -> dict[str, int]:
        """Ends all processes as an operator would; returns their exit codes."""
        codes = {}
        for name in ("watch", "monitor", "gateway", "collector", "serve"):
            process = self._processes.pop(name, None)
            if process is not None:
                process.send_signal(signal.SIGTERM)
                codes[name] = process.wait(40)
        return codes

    def kill(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()


@contextlib.contextmanager
def project_running(folder: Path) -> Iterator[Running]:
    """A project's processes, none of which lives when the block is over."""
    running = Running(folder)
    try:
        yield running
    finally:
        running.kill()


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:
        return response.status == 200
    return False
