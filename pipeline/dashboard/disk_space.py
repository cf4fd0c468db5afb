"""How much of the disk a project uses."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hilir.pipeline.clean.disk_use import measure
from hilir.pipeline.dashboard.workplace import Workplace

_SECONDS = 60.0


@dataclass(frozen=True)
class Use:
    """A folder, what it is, its size in bytes and its number of files."""

    what: str
    path: Path
    bytes: int
    files: int


@dataclass(frozen=True)
class DiskUse:
    """The folders of a project, and the disk that they are on; `at`: seconds since 1970."""

    folders: list[Use]
    free: int
    total: int
    at: float


class Disk:
    """Measures at most once a minute: large trees take a while."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._found: DiskUse | None = None
        self._measured = 0.0

    def measure(self) -> DiskUse:
        """Returns the use of the disk, not older than a minute."""
        if self._found is None or time.monotonic() - self._measured > _SECONDS:
            usage = shutil.disk_usage(Path.cwd())
            folders = sorted(_measure_all(self._workplace), key=lambda use: -use.bytes)
            self._found = DiskUse(folders, usage.free, usage.total, time.time())
            self._measured = time.monotonic()
        return self._found


def _measure_all(workplace: Workplace) -> Iterator[Use]:
    for root in workplace.pipelines:
        yield from (_measure(f"artifacts of {path.name}", path) for path in _folders(root))
    for root in workplace.roots:
        yield from (_measure(f"versions of {path.name}", path) for path in _folders(root))
    yield from (_measure("folders of runs", path) for path in workplace.runs if path.is_dir())
    yield from (_measure("state of hilir watch", path) for path in workplace.watches if path.is_dir())
    yield from (_measure("state of hilir monitor", path) for path in workplace.monitors if path.is_dir())


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("[!.]*") if path.is_dir()) if root.is_dir() else []


def _measure(what: str, folder: Path) -> Use:
    return Use(what, folder, *measure(folder))
