"""Which files user code opens: those that `features.FILES` does not name are unknown to the cache."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType, ModuleType

from hilir.components.code import is_user_code
from hilir.components.errors import ModelPackageError

_SOURCES = (".py", ".pyc", ".pyi", ".so")

# The sets that are being filled. A hook of the interpreter cannot be removed, so there is one, which looks here.
_watching: list[set[str]] = []


@contextmanager
def watch_files() -> Iterator[set[str]]:
    """Yields a set that gets the absolute path of each file that user code opens for reading.

    Files that TensorFlow opens by itself (tf.io, tables) are not seen: Python has no part in that.
    """
    _install()
    found: set[str] = set()
    _watching.append(found)
    try:
        yield found
    finally:
        _watching.remove(found)


def find_files(features: ModuleType) -> tuple[Path, ...]:
    """Returns the paths of `FILES` of a package's features, relative to the package's folder or else the current one.

    Raises:
        ModelPackageError: one of them is not there.
    """
    folder = Path(str(features.__file__)).parent
    found = []
    for name in getattr(features, "FILES", ()):
        paths = [path for path in (folder / name, Path(name)) if path.is_file()]
        if not paths:
            raise ModelPackageError(
                f"{features.__name__}.FILES names '{name}', which is neither in {folder} nor in the current folder; "
                f"correct the name, or add the file"
            )
        found.append(paths[0].resolve())
    return tuple(found)


def find_undeclared(opened: Iterable[str], declared: Iterable[Path]) -> list[str]:
    """Returns the files that were opened and are not declared, sorted."""
    known = {str(Path(path).resolve()) for path in declared}
    return sorted(path for path in opened if str(Path(path).resolve()) not in known)


def explain(package: str, undeclared: Iterable[str]) -> str:
    """Returns the warning about files that were opened and not declared."""
    names = ", ".join(os.path.relpath(path) for path in undeclared)
    return (
        f"{package} opens {names}, which {package}.features.FILES does not name: when such a file changes, steps that "
        f"depend on it stay cached; add it to FILES"
    )


@cache
def _install() -> None:
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _watching:
        return
    path, mode = arguments[0], arguments[1]
    if not isinstance(path, str | bytes) or (isinstance(mode, str) and not mode.startswith("r")):
        return
    name = os.path.abspath(os.fsdecode(path))
    if name.endswith(_SOURCES) or _is_systems(name) or not _is_opened_by_user(sys._getframe(1)):
        return
    for found in _watching:
        found.add(name)


def _is_systems(path: str) -> bool:
    return any(path.startswith(folder) for folder in _system_folders())


@cache
def _system_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    installed = (paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", *installed)


def _is_opened_by_user(frame: FrameType | None) -> bool:
    """Says whether user code asked for it, itself or by a library; imports that it makes do not count."""
    while frame is not None:
        source = frame.f_code.co_filename
        if source.startswith("<frozen importlib"):
            return False
        if is_user_code(source):
            return True
        frame = frame.f_back
    return False
