"""Fingerprints of user code: TFX's cache key holds an import path, which does not change when the code does."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from hilir.components.user_modules import find_module


def fingerprint(module: str, files: Sequence[Path] = ()) -> str:
    """Returns the sha256 of the module's source, of all user code that it imports, and of other files that it reads.

    User code is what is neither Python's own, nor installed, nor hilir's; the module's own package always is. The
    imports are read from the source, nothing is executed.

    Args:
        module: import path, for example `models.taxi.preprocessing`.
        files: paths of other files.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_closure(module).items()):
        digest.update(f"{name}\n".encode())
        digest.update(path.read_bytes())
    for path in sorted(files):
        digest.update(f"{path.name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def is_user_code(path: str) -> bool:
    """Says whether a source file is neither Python's own, nor installed, nor hilir's."""
    resolved = Path(path).resolve()
    installed = {"site-packages", "dist-packages"} & set(resolved.parts)
    return path.endswith(".py") and not installed and not any(resolved.is_relative_to(each) for each in _not_users())


@cache
def _not_users() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    own = Path(__file__).resolve().parents[1]
    names = ("stdlib", "platstdlib")
    rooms = ("analysis", "components", "pipeline", "serving")
    return (*(Path(paths[name]).resolve() for name in names), *(own / room for room in rooms))


def _closure(module: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _source(name, module.partition(".")[0])
        if path is None:
            continue
        found[name] = path
        waiting += [part for imported in _imports(name, path) for part in _with_parents(imported)]
    return found


def _with_parents(name: str) -> Iterable[str]:
    """Yields a name and the packages that it is in, whose `__init__.py` is executed too."""
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _source(name: str, own: str) -> Path | None:
    top = name.partition(".")[0]
    spec = None if top == "hilir" else find_module(name)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin) if top == own or is_user_code(spec.origin) else None


def _imports(name: str, path: Path) -> list[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return found
