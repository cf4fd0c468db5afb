"""The two programs beside this environment that TensorFlow.js needs: its converter's own Python, and Node.js."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hilir.components.exporter.errors import ExportError

ROOT = Path(__file__).resolve().parents[3]
CONVERTER = ROOT / ".venv-tfjs" / "bin" / "python"
MODULES = ROOT / "deploy" / "browser" / "node_modules"

_HERE = Path(__file__).resolve().parent
_SECONDS = 600


def find_converter() -> Path:
    """Returns the Python of the converter's environment, which is made if this is a checkout that lacks it.

    Raises:
        ExportError: it is not there and cannot be made.
    """
    if not CONVERTER.exists():
        _set_up("tfjs", f"{CONVERTER.parents[1]} with the TensorFlow.js converter is missing", "make setup-tfjs")
    return CONVERTER


def find_node() -> tuple[str, Path]:
    """Returns the program `node` and the folder of the npm packages, which are installed if this is a checkout.

    Raises:
        ExportError: one of them is not there.
    """
    node = shutil.which("node")
    if node is None:
        raise ExportError(
            "there is no program 'node' on the PATH, which runs the exported TensorFlow.js model to prove it; "
            "install Node.js 20 or later (Debian, Ubuntu: apt-get install nodejs npm)"
        )
    if not (MODULES / "@tensorflow" / "tfjs").exists():
        _set_up("node", f"{MODULES} with @tensorflow/tfjs is missing", "make setup-browser")
    return node, MODULES


def run_program(arguments: list[str], job: dict[str, Any], work: str, what: str) -> None:
    """Runs a program with a job file as its last argument.

    Raises:
        ExportError: it failed; the message holds the last lines that it wrote.
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
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = [line.strip() for line in lines if "Error" in line.partition(":")[0]] or lines[-3:]
        raise ExportError(f"{what} failed (exit code {done.returncode}): {' | '.join(said) or 'no message'}")


def script(name: str) -> str:
    """Returns the path of a file of this package."""
    return str(_HERE / name)


def _set_up(environment: str, fact: str, remedy: str) -> None:
    setup = ROOT / "scripts" / "setup.sh"
    if not setup.exists():
        raise ExportError(f"{fact}; type '{remedy}' in a checkout of hilir, or use its image")
    done = subprocess.run([str(setup), environment], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ExportError(f"{fact} and could not be made ({last}); mend that and type '{remedy}'")
