"""The reference of the configuration, from configs/base.yaml and its comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scripts.docs.markdown import NOTE, code, escape, write_table

BASE = Path(__file__).resolve().parents[2] / "configs" / "base.yaml"
_LINE = re.compile(r"^(?P<indent> *)(?P<key>\w+):(?P<value>(?: +[^#\s]\S*(?: +[^#\s]\S*)*)?)(?: +# ?(?P<comment>.*))?$")
_COMMENT = re.compile(r"^ +# ?(?P<comment>.*)$")
_INTRODUCTION = """# Configuration

A project's YAML contains only what differs from these defaults; an overlay (`--overlay FILE`) and `--set key=value`
come on top. `hilir config show` prints every key with its value and the file that set it, `hilir config check` reports
all faults at once. A key that does not exist is refused, with the nearest one that does. `${oc.env:NAME}` is the value
of an environment variable.
"""


@dataclass
class Key:
    """A key of base.yaml: its dotted path, its default as it is written (empty: a section), and its comment."""

    path: str
    default: str
    comment: str


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


def render_configuration() -> str:
    """Returns the page of all keys, a section each."""
    keys = read_keys(BASE.read_text(encoding="utf-8"))
    lines = [NOTE, "", *_INTRODUCTION.splitlines(), ""]
    for top in (key for key in keys if "." not in key.path):
        below = [key for key in keys if key.path.startswith(f"{top.path}.")]
        lines += [f"## {top.path}", ""]
        if below and top.comment:
            lines += [f"{escape(top.comment[0].upper() + top.comment[1:])}", ""]
        rows = [
            (code(key.path), _write_default(key.default), escape(key.comment))
            for key in (below or [top])
            if key.default or key.comment
        ]
        lines += write_table(("key", "default", "what it is"), rows)
    return "\n".join(lines).rstrip() + "\n"


def _write_default(default: str) -> str:
    if not default:
        return ""
    return "required" if default == "???" else code(default)
