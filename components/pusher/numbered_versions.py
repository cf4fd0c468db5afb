"""Versions on disk: integers that appear only when complete, each once."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from filelock import FileLock, Timeout
from tfx.dsl.io import fileio

from hilir.components.errors import PushError
from hilir.components.pusher.manifest import NAME
from hilir.components.staging import PREFIX, staged, write_file
from hilir.components.versions import list_versions

EXPORTS = "exports"
"""Folder next to the versions, with one folder per version."""

_LOCK_SECONDS = 600


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

    On a file system everything is written to another folder and renamed last, under a lock: a reader sees a version
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
        version = next_version(folder)
        exports = export_path(folder, version)
        try:
            with staged(os.path.join(folder, str(version))) as files:
                fill(files)
                with staged(exports, within=folder) if fill_exports else nullcontext() as export_files:
                    if fill_exports and export_files:
                        fill_exports(export_files)
                    _write_manifest(files, make_manifest(version))
        except BaseException:
            shutil.rmtree(exports, ignore_errors=True)
            raise
    return version


def export_path(folder: str, version: int) -> str:
    """Returns where the exports of a version are."""
    return os.path.join(folder, EXPORTS, str(version))


def remove(folder: str, versions: Sequence[int]) -> None:
    """Removes versions on a file system, and their exports: at once for a reader, by a rename under the push's lock.

    Raises:
        PushError: the folder cannot be written to, or a push holds it for ten minutes.
    """
    with _locked(folder):
        for version in versions:
            if os.path.isdir(os.path.join(folder, str(version))):
                os.rename(os.path.join(folder, str(version)), os.path.join(folder, f"{PREFIX}{uuid.uuid4().hex}"))
        _remove_remains(folder)


def replace_export(folder: str, version: int, name: str, source: str, entry: dict[str, Any]) -> str:
    """Adds the exports of one format to a version on a file system, or replaces them; returns their folder.

    Under the push's lock the folder is exchanged, then the manifest's entry.

    Args:
        folder: the model's folder.
        version: a version in it.
        name: the format.
        source: a folder with the export's files.
        entry: what the manifest says of the export.

    Raises:
        PushError: the version does not exist, or the folder cannot be written to.
    """
    manifest = read_manifest(folder, version)
    if manifest is None:
        raise PushError(
            f"{folder}: version {version} with a manifest does not exist; 'hilir models list' shows the versions"
        )
    with _locked(folder):
        target = os.path.join(export_path(folder, version), name)
        with staged(target, within=folder) as files:
            shutil.copytree(source, files)
        manifest.setdefault("exports", {})[name] = entry
        _write_manifest(os.path.join(folder, str(version)), manifest)
    return target


def next_version(folder: str) -> int:
    """Returns the number after the highest one that exists."""
    return max(list_versions(folder), default=0) + 1


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Holds the model's folder; the kernel releases the lock when the process ends, however it ends."""
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
    """Removes what killed pushes left: staged folders, and exports whose version never came."""
    for name in os.listdir(folder):
        if name.startswith(PREFIX):
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
    staging = os.path.join(folder, f"{PREFIX}{uuid.uuid4().hex}")
    fill(staging)
    version = next_version(folder)
    if fill_exports is not None:
        if fileio.exists(export_path(folder, version)):
            fileio.rmtree(export_path(folder, version))
        fill_exports(export_path(folder, version))
    _write_manifest(staging, make_manifest(version))
    target = os.path.join(folder, str(version))
    for base, _, names in fileio.walk(staging):
        for name in names:
            relative = os.path.relpath(os.path.join(base, name), staging)
            if relative != "saved_model.pb":
                _copy(os.path.join(staging, relative), os.path.join(target, relative))
    _copy(os.path.join(staging, "saved_model.pb"), os.path.join(target, "saved_model.pb"))
    fileio.rmtree(staging)
    return version


def _copy(source: str, target: str) -> None:
    fileio.makedirs(os.path.dirname(target))
    fileio.copy(source, target)


def _write_manifest(folder: str, manifest: dict[str, Any]) -> None:
    write_file(os.path.join(folder, NAME), json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
