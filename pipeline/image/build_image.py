"""Builds a project's image with Docker, Podman or Buildah."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from hilir.pipeline.errors import ConfigError

ENGINES = ("docker", "podman", "buildah")


def find_engine() -> str:
    """Returns the program of the environment variable ENGINE, or the first engine that is there and works.

    Raises:
        ConfigError: there is none.
    """
    wanted = os.environ.get("ENGINE", "").split() or list(ENGINES)
    for name in wanted:
        # A client may be there without its daemon.
        if shutil.which(name) and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0:
            return name
    raise ConfigError(
        f"none of {', '.join(wanted)} is on the PATH and works; install one (Debian, Ubuntu: apt-get install buildah), "
        f"start Docker's daemon, or see with --dry-run what would be called"
    )


def make_commands(engine: str, context: str, base: str, tag: str, *, push: bool) -> Iterator[list[str]]:
    """Yields the commands that build, and push, the image."""
    build = [engine, "build", "--layers"] if engine == "buildah" else [engine, "build"]
    dockerfile = str(Path(context) / "Dockerfile")
    yield [*build, "--build-arg", f"HILIR_IMAGE={base}", "--file", dockerfile, "--tag", tag, context]
    if push:
        yield [engine, "push", tag]


def run_commands(commands: Sequence[Sequence[str]]) -> None:
    """Runs the commands; what they write goes to the terminal.

    Raises:
        ConfigError: one of them failed.
    """
    for command in commands:
        code = subprocess.run(command, check=False).returncode
        if code:
            raise ConfigError(f"'{' '.join(command[:2])}' failed (exit code {code}); its own message is above")
