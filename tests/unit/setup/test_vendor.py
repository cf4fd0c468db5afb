"""Files from elsewhere are unchanged, and their README says what they are."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_ROW = re.compile(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$")


def find_folders() -> list[Path]:
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "**/vendor/README.md"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []
    return [(ROOT / name).parent for name in listed]


@pytest.mark.parametrize("folder", find_folders(), ids=lambda folder: str(folder.relative_to(ROOT)))
def test_each_file_is_listed_with_its_checksum_and_has_a_licence(folder: Path) -> None:
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    listed = {match[1]: match[2] for match in map(_ROW.match, lines) if match}
    there = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("README.md", "LICENSE")
    }
    assert listed == there
    assert there
    assert all((folder / Path(name).parent / "LICENSE").is_file() for name in there)


def test_there_are_folders_to_check() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert ROOT / "pipeline" / "dashboard" / "vendor" in find_folders()
