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

from hilir.components.errors import PushError
from hilir.components.pusher.manifest import NAME

EXPORTS = "exports"
"""Folder beside the versions, with one folder per version."""

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


def publish(
    folder: str,
    fill: Callable[[str], None],
    make_manifest: Callable[[int], dict[str, Any]],
    fill_exports: Callable[[str], None] | None = None,
) -> int:
    """Makes the next version and returns its number.

    On a file system everything is written to a folder beside and renamed last, under a lock: a reader sees a version
    whole or not at all, two pushes get two numbers, and a killed push leaves a folder that no reader looks at and the
    next push removes. On an object store, which has no rename, `saved_model.pb` is written last.

    Exports go to `exports/<version>`, which gets its name just before the version does. An export counts only if its
    version is there; what a push killed between the two renames leaves is removed by the next one.

    Args:
        folder: the model's folder, local or on an object store.
        fill: writes the SavedModel into the folder it is given.
        make_manifest: returns the manifest for a version number; called when the files are in place.
        fill_exports: writes the exports into the folder it is given; None where there are none.

    Raises:
        PushError: the folder cannot be written to, or another push holds it for ten minutes.
    """
    if "://" in folder:
        return _publish_to_store(folder, fill, make_manifest, fill_exports)
    with _locked(folder):
        beside = os.path.join(folder, f"{_PREFIX}{uuid.uuid4().hex}")
        exports_beside = f"{beside}-{EXPORTS}"
        version = next_version(folder)
        exports = export_path(folder, version)
        try:
            fill(beside)
            if fill_exports is not None:
                fill_exports(exports_beside)
                _sync(exports_beside)
            _write_manifest(beside, make_manifest(version))
            _sync(beside)
            if fill_exports is not None:
                os.makedirs(os.path.dirname(exports), exist_ok=True)
                os.rename(exports_beside, exports)
            os.rename(beside, os.path.join(folder, str(version)))
        except BaseException:
            for path in (beside, exports_beside, exports):
                shutil.rmtree(path, ignore_errors=True)
            raise
    return version


def export_path(folder: str, version: int) -> str:
    """Returns where the exports of a version are."""
    return os.path.join(folder, EXPORTS, str(version))


def replace_export(folder: str, version: int, name: str, source: str, entry: dict[str, Any]) -> str:
    """Adds the exports of one format to a version on a file system, or replaces them; returns their folder.

    The folder is exchanged by renames under the push's lock, then the manifest's entry.

    Args:
        folder: the model's folder.
        version: a version in it.
        name: the format.
        source: a folder with the export's files.
        entry: what the manifest says of the export.

    Raises:
        PushError: there is no such version, or the folder cannot be written to.
    """
    manifest = read_manifest(folder, version)
    if manifest is None:
        raise PushError(
            f"{folder}: there is no version {version} with a manifest; 'hilir models list' shows those there are"
        )
    with _locked(folder):
        beside = os.path.join(folder, f"{_PREFIX}{uuid.uuid4().hex}")
        target = os.path.join(export_path(folder, version), name)
        shutil.copytree(source, beside)
        _sync(beside)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.exists(target):
            os.rename(target, f"{beside}-old")
        os.rename(beside, target)
        manifest.setdefault("exports", {})[name] = entry
        path = os.path.join(folder, str(version), NAME)
        _write_manifest(os.path.dirname(path), manifest, f"{_PREFIX}{NAME}")
        os.replace(os.path.join(os.path.dirname(path), f"{_PREFIX}{NAME}"), path)
        shutil.rmtree(f"{beside}-old", ignore_errors=True)
    return target


def next_version(folder: str) -> int:
    """Returns the number after the highest one that exists."""
    return max(list_versions(folder), default=0) + 1


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Holds the model's folder; the kernel lets go of the lock when the process ends, however it ends."""
    try:
        os.makedirs(folder, exist_ok=True)
        with FileLock(os.path.join(folder, ".push.lock"), timeout=_LOCK_SECONDS):
            _remove_remains(folder)
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


def _remove_remains(folder: str) -> None:
    """Removes what killed pushes left: folders beside, and exports whose version never came."""
    for name in os.listdir(folder):
        if name.startswith(_PREFIX):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    exports = os.path.join(folder, EXPORTS)
    for name in os.listdir(exports) if os.path.isdir(exports) else []:
        if not os.path.isdir(os.path.join(folder, name)):
            shutil.rmtree(os.path.join(exports, name), ignore_errors=True)


def _publish_to_store(
    folder: str,
    fill: Callable[[str], None],
    make_manifest: Callable[[int], dict[str, Any]],
    fill_exports: Callable[[str], None] | None,
) -> int:
    beside = os.path.join(folder, f"{_PREFIX}{uuid.uuid4().hex}")
    fill(beside)
    version = next_version(folder)
    if fill_exports is not None:
        if fileio.exists(export_path(folder, version)):
            fileio.rmtree(export_path(folder, version))
        fill_exports(export_path(folder, version))
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


def _write_manifest(folder: str, manifest: dict[str, Any], name: str = NAME) -> None:
    with fileio.open(os.path.join(folder, name), "w") as file:
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
