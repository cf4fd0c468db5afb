"""Files and folders that others write too: replaced as a whole, hashed, and listed entry by entry."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hilir.analysis.devices import is_device

SHARED = 0o644


@dataclass(frozen=True)
class Folders:
    """The folders in a folder.

    Attributes:
        names: of the folders, sorted; links to folders count.
        others: names of what is not a folder.
        faults: why an entry cannot be looked at, by name.
    """

    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)


def list_folders(path: str | Path) -> Folders:
    """Lists the folders in `path`; an entry that cannot be looked at hides itself and no other.

    Raises:
        OSError: `path` itself cannot be listed.
    """
    names, others = [], []
    faults: dict[str, str] = {}
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                if entry.is_dir():
                    names.append(entry.name)
                else:
                    # Fails for a link that leads nowhere.
                    entry.stat()
                    others.append(entry.name)
            except OSError as error:
                faults[entry.name] = error.strerror or type(error).__name__
    return Folders(tuple(sorted(names)), tuple(sorted(others)), faults)


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replaces a file as a whole; after a crash it is the old one or the new one.

    A device or a pipe stays what it is, and is written to.

    Args:
        path: the file.
        text: its content.
        mode: who may read it; by default its owner alone. `SHARED` is for what servers of another user read.
    """
    if is_device(path):
        path.write_text(text, encoding="utf-8")
        return
    new = path.with_name(f".{path.name}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def hash_file(path: Path) -> str:
    """Returns a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
