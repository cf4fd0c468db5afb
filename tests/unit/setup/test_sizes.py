"""Modules and packages stay small: at most 350 lines, and 15 modules of its own in a package; a name is one thing."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[3]
LINES, MODULES = 350, 15
ROOMS = ("analysis", "components", "pipeline", "serving", "scripts")
# Names that say what a module is in each room that has one; `missing` is one table, for each side that has to know it.
PATTERNS = {"__init__", "__main__", "component", "executor", "artifact", "settings", "errors", "missing"}


@pytest.fixture(scope="module")
def modules() -> list[PurePosixPath]:
    """All Python files of the repository, vendored ones aside: those that git knows, and new ones."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    found = [PurePosixPath(name) for name in listed if (ROOT / name).is_file() and "vendor" not in Path(name).parts]
    assert len(found) > 400
    return found


def test_no_module_is_long(modules: list[PurePosixPath]) -> None:
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in modules}
    assert {path: length for path, length in lengths.items() if length > LINES} == {}


def test_no_package_has_many_modules(modules: list[PurePosixPath]) -> None:
    counts = Counter(str(path.parent) for path in modules if path.name != "__init__.py")
    assert {folder: count for folder, count in counts.items() if count > MODULES} == {}


def test_a_file_name_means_one_thing(modules: list[PurePosixPath]) -> None:
    # A module of a command line has the name of its command.
    ours = [path for path in modules if path.parts[0] in ROOMS and "cli" not in path.parts]
    counts = Counter(path.stem for path in ours if path.stem not in PATTERNS)
    assert {name: count for name, count in counts.items() if count > 1} == {}
