"""Versions on disk or in object storage: listing them, and noticing that their files have changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hilir.serving.disk import list_folders
from hilir.serving.server.servables.policy import index_versions, parse_version
from hilir.serving.server.status import Code, StatusError, invalid_argument

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Found:
    """What is in a base path.

    Attributes:
        versions: number -> path.
        faults: entries that are named like a version and cannot be used -> why.
    """

    versions: Mapping[int, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


def is_remote(path: str) -> bool:
    """True for a path that TensorFlow's file systems have to open."""
    return "://" in path


def list_versions(model: str, base: str) -> Found:
    """The versions in the base path of a model; an entry that cannot be looked at hides itself and no other.

    Raises:
        StatusError: the base path cannot be listed, so that nothing is known about versions.
    """
    names, faults = _list_remote(base) if is_remote(base) else _list_local(model, base)
    if names is None:
        raise invalid_argument(
            f"Could not find base path {base} for servable {model} with error NOT_FOUND: {base} not found"
        )
    versions = {version: f"{base.rstrip('/')}/{name}" for version, name in index_versions(names).items()}
    return Found(versions, {name: fault for name, fault in faults.items() if parse_version(name) is not None})


def _list_local(model: str, base: str) -> tuple[tuple[str, ...] | None, Mapping[str, str]]:
    try:
        folders = list_folders(base)
    except FileNotFoundError:
        return None, {}
    except OSError as error:
        raise StatusError(
            Code.UNAVAILABLE, f"Could not list base path {base} for servable {model}: {error.strerror}"
        ) from None
    return folders.names, {**folders.faults, **dict.fromkeys(folders.others, "not a folder")}


def _list_remote(base: str) -> tuple[tuple[str, ...] | None, Mapping[str, str]]:
    import tensorflow as tf

    try:
        if not tf.io.gfile.exists(base):
            return None, {}
        return tuple(child.split("/", 1)[0] for child in tf.io.gfile.listdir(base)), {}
    except tf.errors.OpError as error:
        raise StatusError(Code(error.error_code), f"Could not list base path {base}: {error.message}") from None


def fingerprint(path: str) -> Fingerprint:
    """Names, sizes and times of change of a version's files, sorted; what cannot be read is left out.

    Local times are those of the inode (ctime): a copy may keep the modification times of the original.
    """
    return tuple(sorted(_remote_files(path) if is_remote(path) else _local_files(path)))


def _local_files(path: str) -> Iterator[tuple[str, int, int]]:
    for folder, _, files in os.walk(path):
        for name in files:
            file = Path(folder, name)
            try:
                stat = file.stat()
            except OSError:
                continue
            yield str(file), stat.st_size, stat.st_ctime_ns


def _remote_files(path: str) -> Iterator[tuple[str, int, int]]:
    import tensorflow as tf

    try:
        for folder, _, files in tf.io.gfile.walk(path):
            for name in files:
                file = f"{folder.rstrip('/')}/{name}"
                stat: Any = tf.io.gfile.stat(file)
                yield file, int(stat.length), int(stat.mtime_nsec)
    except tf.errors.OpError:
        return
