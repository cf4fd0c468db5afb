"""`hilir watch` in a process of its own, which a test may kill at any moment."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

TOKEN = "a-token-for-this-test"

# A run: refuses to be there twice, lasts a moment, and says that it succeeded.
PROGRAM = """
import fcntl, json, os, pathlib, sys, time
here = pathlib.Path(sys.argv[1])
lock = (here / "lock").open("a")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    (here / "overlap").touch()
with (here / "began").open("a") as file:
    file.write(json.loads(os.environ["HILIR_TRIGGERS"])[0]["why"] + "\\n")
time.sleep(float(sys.argv[2]))
print(json.dumps({"status": "succeeded"}))
"""


class Daemon:
    """The daemon, its settings, and what is in its state."""

    def __init__(self, root: Path, *settings: str, config: str = "configs/digits.yaml"):
        self.root, self.config = root, config
        self.settings = [part for setting in settings for part in ("--set", setting)]
        self.settings += ["--set", f"watch.state={root}/watch"]
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with (self.root / "daemon.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hilir.pipeline.cli", "watch", self.config, *self.settings],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env=os.environ | {"HILIR_WATCH_TOKEN": TOKEN},
            )

    def wait_watching(self) -> None:
        """Returns when the daemon that was started last has begun to work."""
        self.wait(lambda: [row["pid"] for row in self.rows("SELECT pid FROM watcher")] == [self.process.pid])

    def stop(self, number: int = signal.SIGKILL) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def log(self) -> str:
        return (self.root / "daemon.log").read_text()

    def status(self) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "hilir.pipeline.cli", "watch", "status", self.config, *self.settings, "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    def rows(self, query: str) -> list[sqlite3.Row]:
        path = self.root / "watch" / "digits" / "state.sqlite"
        if not path.exists():
            return []
        connection = sqlite3.connect(path, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            # The daemon is just making it.
            return []
        finally:
            connection.close()

    def wait(self, condition, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
