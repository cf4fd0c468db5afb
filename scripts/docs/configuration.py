"""The reference of the configuration, from configs/base.yaml and its comments."""

from __future__ import annotations

from hilir.pipeline.config.documented_keys import base_path, read_keys
from scripts.docs.markdown import NOTE, code, escape, write_table

_INTRODUCTION = """# Configuration

A project's YAML contains only what differs from these defaults; an overlay (`--overlay FILE`) and `--set key=value`
come on top. `hilir config show` prints every key with its value and the file that set it, `hilir config check` reports
all faults at once. A key that does not exist is refused, with the nearest one that does. `${oc.env:NAME}` is the value
of an environment variable.
"""


def render_configuration() -> str:
    """Returns the page of all keys, a section each."""
    keys = read_keys(base_path().read_text(encoding="utf-8"))
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
