"""Where a module's file is, found as an import would find it, without the import."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder


def find_module(name: str) -> ModuleSpec | None:
    """Returns the spec of a module; None where an import would not find it.

    Nothing is executed: `importlib.util.find_spec` imports the packages that a module is in, and a user's `__init__.py`
    may import TensorFlow, print or raise.
    """
    top, *rest = name.split(".")
    spec = next(_ask_finders(top), None) if all([top, *rest]) else None
    for part in rest:
        # By its last part alone: the finder of folders without `__init__.py` wants the packages around it imported.
        spec = PathFinder.find_spec(part, spec.submodule_search_locations) if spec and _is_package(spec) else None
    return spec


def find_folders(name: str) -> Sequence[str]:
    """Returns the folders of a package: several for one without `__init__.py`, none for what is no package."""
    spec = find_module(name)
    return list(spec.submodule_search_locations or []) if spec is not None else []


def _ask_finders(name: str) -> Iterator[ModuleSpec]:
    # All of them: an editable install may have a finder of its own. As in Python's import, some may lack the method.
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if find is not None and (spec := find(name, None)) is not None:
            yield spec


def _is_package(spec: ModuleSpec) -> bool:
    return spec.submodule_search_locations is not None
