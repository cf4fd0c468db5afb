"""Fingerprints of user code: TFX's cache key holds an import path, which does not change when the code does."""

from __future__ import annotations

import ast
import hashlib
from importlib.util import find_spec
from pathlib import Path


def fingerprint(module: str, root: str) -> str:
    """Returns the sha256 of the module's source and of all that it imports below the package `root`.

    The imports are read from the source, nothing is executed.

    Args:
        module: import path, for example `models.taxi.preprocessing`.
        root: the package whose modules count, for example `models.taxi`.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_closure(module, root).items()):
        digest.update(f"{name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _closure(module: str, root: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in found or path is None:
            continue
        found[name] = path
        waiting += [imported for imported in _imports(name, path) if f"{imported}.".startswith(f"{root}.")]
    return found


def _source(name: str) -> Path | None:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


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
