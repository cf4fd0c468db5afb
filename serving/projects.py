"""The configurations of a project's folder."""

from __future__ import annotations

from pathlib import Path


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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return content["model"]["package"] not in (None, "???")
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return False
