"""Copies an example of hilir into a project's folder."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hilir.components.staging import write_file
from hilir.pipeline.errors import ConfigError

NAMES = ("taxi", "digits")


def copy_example(name: str, folder: Path) -> list[str]:
    """Writes the package `models.<name>`, its schema and its configuration; returns the names of the files.

    Raises:
        ConfigError: one of them exists and is different; nothing was written.
    """
    root = files("hilir")
    package = root / "examples" / "models"
    found = {"models/__init__.py": (package / "__init__.py").read_bytes()}
    found |= {
        f"models/{name}/{entry.name}": entry.read_bytes()
        for entry in sorted((package / name).iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".py")
    }
    found[f"configs/schemas/{name}.pbtxt"] = (root / "configs" / "schemas" / f"{name}.pbtxt").read_bytes()
    found[f"{name}.yaml"] = (root / "configs" / f"{name}.yaml").read_bytes()
    there = [each for each, data in found.items() if (folder / each).exists() and (folder / each).read_bytes() != data]
    if there:
        raise ConfigError(f"{', '.join(there)}: there already, and different; type this in an empty folder")
    for each, data in found.items():
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        write_file(folder / each, data)
    return list(found)
