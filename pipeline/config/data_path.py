"""What a path in a configuration stands for."""

from __future__ import annotations

from pathlib import Path

from hilir.components.user_modules import find_module
from hilir.pipeline.errors import ConfigError

_PACKAGE = "package:"


def is_remote(path: str) -> bool:
    """Returns whether the path is on an object store."""
    return "://" in path


def resolve(path: str) -> str:
    """Returns the path with `package:NAME/FOLDER` replaced by the folder inside the installed package.

    The package is found, not imported.

    Raises:
        ConfigError: the package is not installed.
    """
    if not path.startswith(_PACKAGE):
        return path
    package, _, folder = path.removeprefix(_PACKAGE).partition("/")
    spec = find_module(package)
    if spec is None or spec.origin is None:
        raise ConfigError(f"data.path '{path}': the package '{package}' is not installed; install it or give a folder")
    return str(Path(spec.origin).parent / folder)


def locate(path: str, pattern: str) -> tuple[str, str]:
    """Returns folder and pattern of the files that `data.path` and `data.pattern` stand for.

    The path may be a file, or end in a pattern (`data/2026-*.csv`); `data.pattern` counts for a folder only.

    Raises:
        ConfigError: the package of `package:NAME/FOLDER` is not installed.
    """
    found = resolve(path)
    folder, _, name = found.rpartition("/")
    if _is_pattern(name) or (not is_remote(path) and Path(found).is_file()):
        return folder or ("/" if found.startswith("/") else "."), name
    return found, pattern


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in ("*", "?", "{SPAN", "{YYYY}"))
