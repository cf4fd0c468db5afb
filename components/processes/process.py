"""Child processes: one per command, each in a process group of its own, output in a log file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Protocol

from hilir.components.processes.errors import Canceled, ProcessError

_POLL_SECONDS = 0.05
_GRACE_SECONDS = 5
# Makes the kernel kill the command when this process dies, however it dies (prctl(2), PR_SET_PDEATHSIG).
BOUND_TO_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execvp(sys.argv[1], sys.argv[1:])"
)  # fmt: skip

# What a program needs of the machine, and nothing that was given to the operator: no credentials, no tokens.
_PASSED = {
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_CACHE_HOME", "HILIR_TOOLS",
    "VIRTUAL_ENV", "JAVA_HOME", "NO_GCE_CHECK", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
}  # fmt: skip
_PASSED_STARTS = (
    "LC_", "LD_", "GLIBC_", "MALLOC_", "PYTHON", "TF_", "KERAS_", "TFHUB_CACHE", "XLA_", "CUDA_", "NVIDIA_", "NCCL_",
    "OMP_", "MKL_", "OPENBLAS_", "PROTOCOL_BUFFERS_", "GRPC_",
)  # fmt: skip
# Variables that describe a cluster.
_CLUSTER = ("TF_CONFIG", "CLUSTER_SPEC")
# Terraform's tokens, and the values of its variables.
_SECRET_STARTS = ("TF_TOKEN_", "TF_VAR_")


class Child(Protocol):
    """A started command."""

    pid: int

    def poll(self) -> int | None:
        """Returns the exit code (negative: the signal that ended it), or None while it runs."""
        ...


class Starter(Protocol):
    """What starts commands."""

    def start(self, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
        """Starts a command in a new process group; output is appended to `log`."""
        ...

    def close(self) -> None:
        """Ends what it keeps running."""
        ...


class FreshProcesses:
    """Starts each command as a new process, as a container does."""

    def start(self, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
        """Starts the command; its program is looked for in the PATH of `environment`.

        Raises:
            ProcessError: the program does not exist.
        """
        if shutil.which(argv[0], path=environment.get("PATH", os.defpath)) is None:
            raise ProcessError(
                f"the program '{argv[0]}' is not installed here, though its image may have it; install it"
            )
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", BOUND_TO_PARENT, *argv],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def close(self) -> None:
        """Does nothing: each command ends by itself."""


def make_environment(container: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a step: what it needs of this machine, then the container's own.

    This Python is first in the PATH. Other variables of this process, its secrets among them, are left out, as they
    would be in a container.
    """
    environment = {name: value for name, value in copy_environment().items() if _is_passed(name)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment.get('PATH', os.defpath)}"
    environment["PYTHONUNBUFFERED"] = "1"
    return environment | dict(container)


def _is_passed(name: str) -> bool:
    return name in _PASSED or (name.startswith(_PASSED_STARTS) and not name.startswith(_SECRET_STARTS))


def copy_environment() -> dict[str, str]:
    """Returns this process's environment, for what is a part of it.

    What describes a cluster is left out: a process that is not a worker must not take itself for one.
    """
    return {name: value for name, value in os.environ.items() if name not in _CLUSTER}


def wait(
    children: Sequence[Child],
    cancel: Event,
    seconds: float | None = None,
    on_poll: Callable[[], None] = lambda: None,
) -> list[int]:
    """Waits until all have ended, or one has failed, in which case the others are ended; returns the exit codes.

    `on_poll` is called now and then meanwhile.

    Raises:
        Canceled: `cancel` was set; all have been ended.
        TimeoutError: the seconds are over; all have been ended.
    """
    limit = None if seconds is None else time.monotonic() + seconds
    while True:
        codes = [child.poll() for child in children]
        if all(code is not None for code in codes):
            return [code for code in codes if code is not None]
        if any(codes):
            stop(children)
            return [code if code is not None else -signal.SIGTERM for code in codes]
        if cancel.is_set():
            stop(children)
            raise Canceled
        if limit is not None and time.monotonic() > limit:
            stop(children)
            raise TimeoutError
        on_poll()
        cancel.wait(_POLL_SECONDS)


def stop(children: Sequence[Child]) -> None:
    """Ends the process groups of those that still run: SIGTERM, and SIGKILL five seconds later."""
    for child in children:
        if child.poll() is None:
            _signal(child, signal.SIGTERM)
    limit = time.monotonic() + _GRACE_SECONDS
    while any(child.poll() is None for child in children) and time.monotonic() < limit:
        time.sleep(_POLL_SECONDS)
    for child in children:
        _signal(child, signal.SIGKILL)
        while child.poll() is None:
            time.sleep(_POLL_SECONDS)


def _signal(child: Child, number: int) -> None:
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def describe_exit(code: int) -> str:
    """Returns how a process ended, as part of a sentence."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in {entry.value for entry in signal.Signals} else f"signal {-code}"
    hint = " (by the kernel, if memory ran out)" if -code == signal.SIGKILL else ""
    return f"was killed by {name}{hint}"
