"""Names of the user's data in YAML that a message advises to write."""

from __future__ import annotations

import json

import yaml


def show_key(name: str) -> str:
    """Returns a name as a key of a mapping in braces, in quotes where it has to be; a shell may have all in its own."""
    try:
        if "'" not in name and yaml.safe_load(f"{{{name}: 1}}") == {name: 1}:
            return name
    except yaml.YAMLError:
        pass
    return json.dumps(name, ensure_ascii=False).replace("'", "\\u0027")
