"""What the comments of `configs/base.yaml` say about its keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

_LINE = re.compile(r"^(?P<indent> *)(?P<key>\w+):(?P<value>(?: +[^#\s]\S*(?: +[^#\s]\S*)*)?)(?: +# ?(?P<comment>.*))?$")
_COMMENT = re.compile(r"^ +# ?(?P<comment>.*)$")


@dataclass
class Key:
    """A key of base.yaml: its dotted path, its default as it is written (empty: a section), and its comment."""

    path: str
    default: str
    comment: str


def base_path() -> Path:
    """Returns the path of `configs/base.yaml`, which has every key with its default."""
    return Path(str(files("hilir.configs") / "base.yaml"))


def read_keys(text: str) -> list[Key]:
    """Returns the keys in their order.

    Raises:
        ValueError: a line is neither a key, nor a comment, nor empty.
    """
    keys: list[Key] = []
    above: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if found := _LINE.match(line):
            above = [*above[: len(found["indent"]) // 2], found["key"]]
            keys.append(Key(".".join(above), found["value"].strip(), found["comment"] or ""))
        elif (more := _COMMENT.match(line)) and keys:
            keys[-1].comment += " " + more["comment"].strip()
        elif line.strip() and not line.startswith("#"):
            raise ValueError(
                f"configs/base.yaml, line {number}: is not 'key: value  # comment' on one line; write it so"
            )
    return keys


def describe_form(place: str) -> str:
    """Returns what base.yaml says of the key that a value of the wrong form is for, to follow a fault; maybe nothing.

    Args:
        place: a dotted key, or a place in its value: `evaluate.metrics[0]`.
    """
    comments = _read_comments()
    parts = place.partition("[")[0].split(".")
    for length in range(len(parts), 1, -1):
        comment = comments.get(".".join(parts[:length]), "")
        if comment:
            return f"; its form: {comment}"
    return ""


@cache
def _read_comments() -> dict[str, str]:
    keys = read_keys(base_path().read_text(encoding="utf-8"))
    return {key.path: key.comment for key in keys if key.default}
