"""A cluster of Flink on this machine: one job manager and two task managers, each a process of its own, on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.serving.server_process import free_port

ROOT = Path(__file__).resolve().parents[2]
JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
# What Flink's own scripts give to Java 17 (flink-dist, conf/config.yaml, env.java.opts.all).
OPENED = [
    "java.lang", "java.net", "java.io", "java.nio", "java.lang.reflect", "java.text", "java.time", "java.util",
    "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks",
]  # fmt: skip
TASK_MANAGERS = 2
SECONDS = 120


def find_libraries() -> list[Path]:
    """Returns Flink's jars, which `scripts/setup.sh flink` installs; empty if it did not."""
    found = (ROOT / ".venv-flink").glob("lib/python3*/site-packages/pyflink/lib/*.jar")
    # Tables and SQL take memory and are not needed.
    return sorted(path for path in found if path.name.startswith(("flink-dist", "log4j")))


def find_job_server() -> Path | None:
    """Returns Beam's job server: the one that HILIR_FLINK_JOB_SERVER names, else the one that set-up fetched."""
    given = os.environ.get("HILIR_FLINK_JOB_SERVER")
    return Path(given) if given else next((ROOT / ".venv-flink").glob("job-server/*.jar"), None)


class Cluster:
    """The processes, and what the job manager tells of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rest = free_port()
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(_configure(folder, self._rest, free_port()))
        (folder / "log4j.properties").write_text(LOG)
        self._processes = [self._start(JOB_MANAGER, "job-manager", 600)]
        self._processes += [self._start(TASK_MANAGER, f"task-manager-{n}", 512) for n in range(TASK_MANAGERS)]
        self.wait(lambda: len(self.ask("taskmanagers")["taskmanagers"]) == TASK_MANAGERS)

    @property
    def address(self) -> str:
        """Where jobs are submitted to."""
        return f"127.0.0.1:{self._rest}"

    def ask(self, path: str) -> Any:
        """Returns the answer of the job manager's interface."""
        with urllib.request.urlopen(f"http://{self.address}/{path}", timeout=10) as answer:
            return json.load(answer)

    def wait(self, ready: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Waits until something is so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            dead = [process.args for process in self._processes if process.poll() is not None]
            assert not dead, f"{dead[0]} ended, see {self._folder}"
            try:
                if ready():
                    return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.2)
        raise AssertionError(f"waited for {seconds} s, see {self._folder}")

    def kill_task_manager(self) -> None:
        """Kills the last of the task managers."""
        process = self._processes.pop()
        process.kill()
        process.wait()

    def close(self) -> None:
        """Ends all processes."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def _start(self, main: str, name: str, megabytes: int) -> subprocess.Popen[bytes]:
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in [*OPENED, "sun.nio.ch"]]
        command = [
            "java", f"-Xmx{megabytes}m", "--add-exports=java.base/sun.net.util=ALL-UNNAMED", *opened,
            f"-Dlog4j.configurationFile={self._folder}/log4j.properties",
            "-cp", os.pathsep.join(map(str, find_libraries())), main, "-c", str(self._folder),
        ]  # fmt: skip
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _configure(folder: Path, rest: int, rpc: int) -> str:
    """Returns the configuration; each task manager has slots for a whole job of parallelism 2."""
    return f"""
jobmanager: {{rpc: {{address: 127.0.0.1, port: {rpc}}}, bind-host: 127.0.0.1}}
rest: {{address: 127.0.0.1, bind-address: 127.0.0.1, port: {rest}}}
taskmanager:
  host: 127.0.0.1
  bind-host: 127.0.0.1
  numberOfTaskSlots: 2
  cpu: {{cores: 2.0}}
  network: {{sort-shuffle: {{min-buffers: 64}}}}
  memory:
    framework: {{heap: {{size: 128m}}, off-heap: {{size: 128m}}}}
    task: {{heap: {{size: 384m}}, off-heap: {{size: 0m}}}}
    managed: {{size: 128m}}
    network: {{min: 256m, max: 256m}}
    jvm-metaspace: {{size: 256m}}
    jvm-overhead: {{min: 192m, max: 192m}}
cluster: {{evenly-spread-out-slots: true}}
heartbeat: {{interval: 2000, timeout: 20000}}
restart-strategy: {{type: fixed-delay, fixed-delay: {{attempts: 200, delay: 1s}}}}
io: {{tmp: {{dirs: {folder}/tmp}}}}
"""


LOG = """
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %-5p %c{1} - %m%n
"""
