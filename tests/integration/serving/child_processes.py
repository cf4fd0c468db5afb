"""Processes of their own that a test talks to: one that dies when it is told to, and one that sends load."""

import contextlib
import json
import subprocess
import sys

from tests.integration.serving.server_process import ROOT


@contextlib.contextmanager
def crashing(module: str):
    """Yields a function that has the module run a command line, killed where the other values say, for its answer."""
    process = subprocess.Popen(
        [sys.executable, "-m", module], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def run(arguments: list[str], **where) -> str:
        process.stdin.write(json.dumps({"arguments": arguments, **where}) + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    yield run
    process.stdin.close()
    process.wait(30)


class Answers(list):
    """The answers to the requests of another process, filled when it has ended; it can be told things meanwhile."""

    def __init__(self, process: subprocess.Popen):
        super().__init__()
        self._process = process

    def tell(self, word: str) -> None:
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()


@contextlib.contextmanager
def loading(module: str, *words: str):
    """Lets the module send requests while the block runs; yields a list that is filled with the answers at the end."""
    command = [sys.executable, "-m", module, *words]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    answers = Answers(process)
    try:
        assert process.stdout.readline() == "answered\n"
        yield answers
        answers += json.loads(process.communicate(timeout=120)[0])
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
