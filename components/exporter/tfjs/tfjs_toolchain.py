"""The two programs outside this environment that TensorFlow.js needs: its converter's own Python, and Node.js."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hilir.components.exporter.errors import ExportError
from hilir.setup import tools
from hilir.setup.errors import SetupError

_HERE = Path(__file__).resolve().parent
_SECONDS = 600
_ERROR = re.compile(r"(Uncaught )?[\w.]*(Error|Exception)\b[^:]*:")


def find_converter() -> Path:
    """Returns the Python of the converter's environment, which is made if it is missing.

    Raises:
        ExportError: it is not there and cannot be made.
    """
    try:
        return tools.make_tfjs() / "bin" / "python"
    except SetupError as error:
        raise ExportError(f"the TensorFlow.js converter ('hilir setup tfjs'): {error}") from None


def find_node() -> tuple[str, Path]:
    """Returns the program `node` and the folder of the npm packages, which are installed if they are missing.

    Raises:
        ExportError: one of them is not there.
    """
    node = shutil.which("node")
    if node is None:
        raise ExportError(
            "there is no program 'node' on the PATH, which runs the exported TensorFlow.js model to verify it; "
            "install Node.js 20 or later (Debian, Ubuntu: apt-get install nodejs npm)"
        )
    try:
        return node, tools.make_browser() / "node_modules"
    except SetupError as error:
        raise ExportError(f"TensorFlow.js in Node.js ('hilir setup browser'): {error}") from None


def run_program(arguments: list[str], job: dict[str, Any], work: str, what: str) -> None:
    """Runs a program with a job file as its last argument.

    Raises:
        ExportError: it failed; the message is the last error that it wrote.
    """
    path = Path(work) / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        done = subprocess.run(
            [*arguments, str(path)], env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ExportError(f"{what}: not done after {_SECONDS // 60} minutes; try fewer variants") from None
    if done.returncode:
        message = _find_error(done.stderr or done.stdout)
        raise ExportError(f"{what} failed (exit code {done.returncode}): {message or 'no message'}")


def _find_error(printed: str) -> str:
    """Returns the last error that Python or Node.js printed, with all of its lines; else the last lines."""
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    starts = [at for at, line in enumerate(lines) if _ERROR.match(line)]
    if not starts:
        return " ".join(line.strip() for line in lines[-3:])
    # Node.js prints the stack and its version below.
    rest = itertools.takewhile(lambda line: not line.startswith(("    at ", "Node.js ")), lines[starts[-1] :])
    return " ".join(line.strip() for line in rest)


def script(name: str) -> str:
    """Returns the path of a file of this package."""
    return str(_HERE / name)
