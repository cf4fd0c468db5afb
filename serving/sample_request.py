"""A request to try a version with: a real row, as a line for the shell."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from hilir.serving.missing import MISSING_INT

GOLDEN_FILE = "assets.extra/golden.jsonl"
# A longer line is not one that somebody copies: an image, say.
_LONGEST = 4000


def write_curl(version: Path, model: str, address: str = "http://127.0.0.1:8501", *, token: bool = False) -> str | None:
    """Returns the command that asks a server for a prediction of one of the version's golden rows.

    None if it has none, or if they are too long for a command line. A missing number is `null`.

    Args:
        version: the version's folder.
        model: the name under which it is served.
        address: where REST is served.
        token: the server wants a bearer token.
    """
    rows = [row for row in _read_rows(version / GOLDEN_FILE) if len(json.dumps(row)) <= _LONGEST]
    if not rows:
        return None
    # One without missing values shows more.
    row = next((row for row in rows if not _is_missing(list(row.values()))), rows[0])
    body = json.dumps({"instances": [row]}, ensure_ascii=False)
    header = "-H 'Authorization: Bearer TOKEN' " if token else ""
    return f"curl {header}-d {shlex.quote(body)} {address}/v1/models/{quote(model)}:predict"


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the inputs of each golden request, as one instance each."""
    try:
        cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [
            {name: _plain(value[0]) for name, value in case["inputs"].items()}
            for case in cases
            if case["signature"] == "serving_default"
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def _plain(value: Any) -> Any:
    """Returns the value as a person would write it: a 32-bit number with the digits that tell it from others."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if value == MISSING_INT:
        return None
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    with np.errstate(over="ignore"):
        short = np.float32(value)
    return float(str(short)) if float(short) == value else value


def _is_missing(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_is_missing, value))
    return value is None or value == ""
