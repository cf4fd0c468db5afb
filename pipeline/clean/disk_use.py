"""What folders take on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class DiskUse(NamedTuple):
    """What a folder takes.

    Attributes:
        bytes: that its files take, which for sparse files is less than their length.
        files: how many there are.
    """

    bytes: int
    files: int


def measure(path: Path) -> DiskUse:
    """Returns what a folder, or a file, takes; nothing where there is none. Links are not followed."""
    size = count = 0
    for found in [path] if path.is_file() else _list_files(path):
        try:
            size += os.lstat(found).st_blocks * 512
        except OSError:
            # A run may remove files meanwhile.
            continue
        count += 1
    return DiskUse(size, count)


def _list_files(folder: Path) -> Iterator[str]:
    return (os.path.join(base, name) for base, _, names in os.walk(folder) for name in names)
