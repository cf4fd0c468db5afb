"""Versions on disk: integers that appear only when complete, each once."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from filelock import FileLock, Timeout
from tfx.dsl.io import fileio

from components.errors import PushError
from components.pusher.manifest import NAME

_PREFIX = ".pushing-"
_LOCK_SECONDS = 600


def list_versions(folder: str) -> list[int]:
    """Returns the versions below a model's folder, ascending."""
    if not fileio.exists(folder):
        return []
    return sorted(int(name.rstrip("/")) for name in fileio.listdir(folder) if name.rstrip("/").isdigit())


def read_manifest(folder: str, version: int) -> dict[str, Any] | None:
    """Returns the manifest of a version, or None where it has none."""
    path = os.path.join(folder, str(version), NAME)
    if not fileio.exists(path):
        return None
    with fileio.open(path, "r") as file:
        manifest: dict[str, Any] = json.load(file)
    return manifest


def find_pushed(folder: str, source: str) -> int | None:
    """Returns the version that was made from `source` already, if any."""
    for version in reversed(list_versions(folder)):
        manifest = read_manifest(folder, version)
        if manifest and manifest["source"] == source:
            return version
    return None


def publish(folder: str, fill: Callable[[str], None], make_manifest: Callable[[int], dict[str, Any]]) -> int:
    """Makes the next version and returns its number.

    On a file system everything is written to a folder beside and renamed last, under a lock: a reader sees a version
    whole or not at all, two pushes get two numbers, and a killed push leaves a folder that no reader looks at and the
    next push removes. On an object store, which has no rename, `saved_model.pb` is written last.

    Args:
        folder: the model's folder, local or on an object store.
        fill: writes the SavedModel into the folder it is given.
        make_manifest: returns the manifest for a version number; called when the files are in place.

    Raises:
        PushError: the folder cannot be written to, or another push holds it for ten minutes.
    """
    if "://" in folder:
        return _publish_to_store(folder, fill, make_manifest)
    with _locked(folder):
        beside = os.path.join(folder, f"{_PREFIX}{uuid.uuid4().hex}")
        try:
            fill(beside)
            version = next_version(folder)
            _write_manifest(beside, make_manifest(version))
            _sync(beside)
            os.rename(beside, os.path.join(folder, str(version)))
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    return version


def next_version(folder: str) -> int:
    """Returns the number after the highest one that exists."""
    return max(list_versions(folder), default=0) + 1


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Holds the model's folder; the kernel lets go of the lock when the process ends, however it ends."""
    try:
        os.makedirs(folder, exist_ok=True)
        with FileLock(os.path.join(folder, ".push.lock"), timeout=_LOCK_SECONDS):
            for name in os.listdir(folder):
                if name.startswith(_PREFIX):
                    shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
            yield
    except Timeout:
        raise PushError(
            f"{folder}: another push has held this folder for {_LOCK_SECONDS // 60} minutes; wait for it or end it"
        ) from None
    except PermissionError as error:
        raise PushError(
            f"{error.filename or folder}: cannot be written to ({error.strerror}); "
            f"make it writable or choose another serving.root"
        ) from None


def _publish_to_store(folder: str, fill: Callable[[str], None], make_manifest: Callable[[int], dict[str, Any]]) -> int:
    beside = os.path.join(folder, f"{_PREFIX}{uuid.uuid4().hex}")
    fill(beside)
    version = next_version(folder)
    _write_manifest(beside, make_manifest(version))
    target = os.path.join(folder, str(version))
    for base, _, names in fileio.walk(beside):
        for name in names:
            relative = os.path.relpath(os.path.join(base, name), beside)
            if relative != "saved_model.pb":
                _copy(os.path.join(beside, relative), os.path.join(target, relative))
    _copy(os.path.join(beside, "saved_model.pb"), os.path.join(target, "saved_model.pb"))
    fileio.rmtree(beside)
    return version


def _copy(source: str, target: str) -> None:
    fileio.makedirs(os.path.dirname(target))
    fileio.copy(source, target)


def _write_manifest(folder: str, manifest: dict[str, Any]) -> None:
    with fileio.open(os.path.join(folder, NAME), "w") as file:
        file.write(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def _sync(folder: str) -> None:
    """Puts every file on the disk before the rename makes it visible."""
    for base, _, names in os.walk(folder):
        for path in [*(os.path.join(base, name) for name in names), base]:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
