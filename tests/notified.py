"""The receiver of notifications that the guide shows, as a process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import urllib3

from tests.guides import FOLDER, read_blocks
from tests.integration.serving.server_process import free_port, wait_until

KEY_VARIABLE, KEY = "HOOK_KEY", "the key that both sides know"


@contextlib.contextmanager
def receiving(folder: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Yields the address of the process, and what returns the lines that it has printed."""
    (source,) = [block.text for block in read_blocks(FOLDER / "rollouts.md") if block.language == "python"]
    (folder / "receiver.py").write_text(source)
    port = free_port()
    with (folder / "received").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, folder / "receiver.py", str(port)], stdout=out, env=os.environ | {KEY_VARIABLE: KEY}
        )
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_until(lambda: _answers(url), 30, "the receiver")
        yield url, lambda: (folder / "received").read_text().splitlines()
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib3.PoolManager(retries=False).request("GET", url)
    except urllib3.exceptions.HTTPError:
        return False
    return True
