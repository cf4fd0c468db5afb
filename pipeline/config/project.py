"""The project's folder: where user code is imported from, here and in every process that is started from here."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from hilir.pipeline.errors import ConfigError

# Packages put folders of these names into site-packages by mistake; nobody imports them.
_HARMLESS = {"test", "tests", "cli", "examples", "docs", "benchmarks", "scripts", "tools"}
# The name at the start of a requirement (PEP 508).
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def enter_project(config: Path | None = None) -> None:
    """Makes user code importable: from the current folder, then from the folder of the configuration.

    Child processes get the same by PYTHONPATH. May be called again, also with another configuration.

    Raises:
        ConfigError: a file in one of the folders hides a module of Python or of an installed package.
    """
    folders = _unique([str(Path.cwd()), *([str(config.absolute().parent)] if config is not None else [])])
    installed = [entry for entry in sys.path if _is_installed(entry)]
    faults = [fault for folder in folders for fault in find_hiding(Path(folder), installed)]
    if faults:
        raise ConfigError(faults)
    sys.path[:] = _unique([*folders, *sys.path])
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(_unique([*folders, *filter(None, inherited)]))


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


def find_hiding(folder: Path, installed: Sequence[str]) -> Iterator[str]:
    """Yields a sentence for each module in `folder` that hides one of Python's or of the folders `installed`."""
    for name, path in _modules(folder):
        if name in _HARMLESS:
            continue
        if name in sys.stdlib_module_names:
            yield f"{path}: hides Python's own module '{name}'; rename it"
        elif name == "hilir" or (_finds(name, installed) and _is_needed(name)):
            yield f"{path}: hides the installed package '{name}', which hilir needs; rename it"


def hides(name: str) -> bool:
    """Returns whether a package of the project of that name would hide a module of Python, or a package hilir needs."""
    installed = [entry for entry in sys.path if _is_installed(entry)]
    return name in sys.stdlib_module_names or name == "hilir" or (_finds(name, installed) and _is_needed(name))


def _modules(folder: Path) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        if path.suffix == ".py" and path.stem.isidentifier():
            yield path.stem, path
        elif path.name.isidentifier() and (path / "__init__.py").is_file():
            yield path.name, path


def _finds(name: str, installed: Sequence[str]) -> bool:
    # A namespace package counts too: `google/__init__.py` of the project would win over all of its parts.
    return PathFinder.find_spec(name, list(installed)) is not None


def _is_needed(name: str) -> bool:
    """Returns whether hilir needs the package, directly or not; the project itself may be installed, too."""
    from importlib.metadata import packages_distributions

    return bool(_needed() & {_canonical(each) for each in packages_distributions().get(name, [])})


@cache
def _needed() -> set[str]:
    from importlib.metadata import PackageNotFoundError, requires

    found: set[str] = set()
    waiting = ["hilir"]
    while waiting:
        name = _canonical(waiting.pop())
        if name in found:
            continue
        found.add(name)
        with suppress(PackageNotFoundError):
            waiting += [_NAME.match(line).group() for line in requires(name) or []]  # type: ignore[union-attr]
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_installed(entry: str) -> bool:
    return Path(entry).name in ("site-packages", "dist-packages")


def _unique(entries: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(entries))
