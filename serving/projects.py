"""The configurations of a project's folder."""

from __future__ import annotations

import re
from pathlib import Path

_LOOKS_LIKE_ONE = re.compile(r"^model:.*\bpackage:", re.DOTALL | re.MULTILINE)


def find_configs(folder: Path = Path()) -> list[Path]:
    """Returns the YAML files in a folder with the key `model.package`; if there are none, those in its `configs`."""
    for place in (folder, folder / "configs"):
        found = [path for path in sorted(place.glob("*.y*ml")) if _has_package(path)]
        if found:
            return found
    return []


def _has_package(path: Path) -> bool:
    import yaml

    try:
        text = path.read_text(encoding="utf-8-sig")
        content = yaml.safe_load(text)
        return content["model"]["package"] not in (None, "???")
    except (yaml.YAMLError, RecursionError):
        # Whoever loads it reads which line is wrong.
        return _LOOKS_LIKE_ONE.search(text) is not None
    except (OSError, ValueError, KeyError, TypeError):
        return False
