"""Files and folders that appear complete: written under another name, renamed last."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from hilir.analysis.devices import is_device

PREFIX = ".staged-"
"""Begins the names of what is not complete; readers leave them out, and a killed process leaves them behind."""


@contextmanager
def staged(target: str | os.PathLike[str], within: str | os.PathLike[str] | None = None) -> Iterator[str]:
    """Yields a path that does not exist yet; what the block makes there, file or folder, replaces `target` at the end.

    If the block raises, or `target` is a folder that somebody else has made meanwhile where there was none, what was
    made is removed and `target` stays as it is. Everything is on the disk before the rename.

    Args:
        target: a path on a file system; its folder is made if it does not exist.
        within: the folder of the temporary path, on the same file system; that of `target` if not given.

    Raises:
        OSError: it cannot be written, or a folder has come to be there meanwhile.
    """
    target = os.path.abspath(target)
    folder = os.path.abspath(within or os.path.dirname(target))
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{PREFIX}{uuid.uuid4().hex}")
    replaced = f"{path}-replaced"
    exchanged = os.path.isdir(target)
    try:
        yield path
        _sync(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if exchanged:
            os.rename(target, replaced)
        try:
            os.rename(path, target)
        except OSError:
            if exchanged:
                os.rename(replaced, target)
            raise
    finally:
        for rest in (path, replaced):
            _remove(rest)


def write_file(target: str | os.PathLike[str], content: bytes | str) -> None:
    """Writes a file, text as UTF-8, which others see complete or not at all; on an object store all files are so.

    A device or a pipe stays what it is, and is written to.
    """
    data = content.encode() if isinstance(content, str) else content
    if "://" in str(target):
        from tfx.dsl.io import fileio

        with fileio.open(str(target), "wb") as file:
            file.write(data)
        return
    if is_device(target):
        with open(target, "wb") as file:
            file.write(data)
        return
    with staged(target) as path, open(path, "wb") as file:
        file.write(data)


def _sync(path: str) -> None:
    """Puts a file, or all files of a folder, on the disk."""
    found = [path, *(os.path.join(base, name) for base, folders, names in os.walk(path) for name in folders + names)]
    for each in found:
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.exists(path):
        os.unlink(path)
