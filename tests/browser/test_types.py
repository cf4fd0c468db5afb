"""The types written beside the page's modules and the shipped loader hold."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hilir.setup.tools import make_browser

PAGE = Path(__file__).resolve().parents[2] / "deploy" / "browser"


def test_the_modules_keep_their_types():
    compiler = make_browser() / "node_modules" / ".bin" / "tsc"
    done = subprocess.run([compiler, "-p", PAGE], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
