"""Versions as they lie on disk or in object storage: listing them, and telling whole ones from half-copied ones."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hilir.serving.server.servables.model_config import ModelSettings
from hilir.serving.server.servables.policy import choose_versions, index_versions
from hilir.serving.server.status import StatusError, invalid_argument

logger = logging.getLogger(__name__)
# A directory whose newest change is this old is not being copied any more.
_SETTLED_SECONDS = 2.0

Fingerprint = tuple[tuple[str, int, int], ...]


def find_versions(
    settings: ModelSettings, is_usable: Callable[[int, str], bool] = lambda _version, _path: True
) -> dict[int, str]:
    """The wanted versions of a model: number -> path.

    Args:
        settings: the model.
        is_usable: told a version and its path; those it refuses count as not there.

    Raises:
        StatusError: the base path is missing, so that nothing is known about versions.
    """
    base = settings.base_path
    children = _list_remote(base) if "://" in base else _list_local(base)
    if children is None:
        raise invalid_argument(
            f"Could not find base path {base} for servable {settings.name} with error NOT_FOUND: {base} not found"
        )
    found = index_versions(children)
    while True:
        chosen = choose_versions(settings.policy, found)
        paths = {version: f"{base.rstrip('/')}/{child}" for version, child in chosen.items()}
        refused = [version for version, path in paths.items() if not is_usable(version, path)]
        if not refused:
            _warn(settings, chosen)
            return paths
        for version in refused:
            del found[version]


def _list_local(base: str) -> list[str] | None:
    try:
        return [entry.name for entry in os.scandir(base) if entry.is_dir()]
    except OSError:
        return None


def _list_remote(base: str) -> list[str] | None:
    import tensorflow as tf

    if not tf.io.gfile.exists(base):
        return None
    return [child.split("/", 1)[0] for child in tf.io.gfile.listdir(base)]


_warned: set[tuple[str, frozenset[int]]] = set()


def _warn(settings: ModelSettings, chosen: Mapping[int, str]) -> None:
    """Say once, not once a second, that something asked for is not there."""
    missing = frozenset((settings.policy.specific or frozenset()) - chosen.keys())
    key = (settings.name, missing)
    if key in _warned or (chosen and not missing):
        return
    if len(_warned) > 1000:
        _warned.clear()
    _warned.add(key)
    if missing:
        logger.warning("versions %s of model %s are asked for and not found", sorted(missing), settings.name)
    elif not chosen:
        logger.warning(
            "no versions of model %s under %s. Did you forget to name your leaf directory as a number (eg. '/1/')?",
            settings.name,
            settings.base_path,
        )


def fingerprint(path: str) -> Fingerprint:
    """Names, sizes and times of a version's files; empty for remote ones."""
    if "://" in path:
        return ()
    entries: list[tuple[str, int, int]] = []
    for folder, _, files in os.walk(path):
        for name in files:
            file = Path(folder, name)
            try:
                stat = file.stat()
            except OSError:
                continue
            entries.append((str(file), stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(entries))


@dataclass
class Settling:
    """Remembers what versions looked like at the last poll, to leave alone those that still grow."""

    seen: dict[str, Fingerprint]

    def is_settled(self, path: str) -> bool:
        """True if a version is whole as far as one can tell.

        That is: every file of its manifest has its size; or nothing in it changed lately, or since the last poll.
        """
        if "://" in path or _matches_manifest(path):
            return True
        current = fingerprint(path)
        before = self.seen.get(path)
        self.seen[path] = current
        newest = max((time_ns for _, _, time_ns in current), default=0) / 1e9
        return current == before or (bool(current) and abs(time.time() - newest) > _SETTLED_SECONDS)

    def forget_missing(self) -> None:
        """Drop what no longer exists, so that the memory stays as small as the disk's listing."""
        self.seen = {path: seen for path, seen in self.seen.items() if Path(path).exists()}


def _matches_manifest(path: str) -> bool:
    try:
        files = json.loads(Path(path, "manifest.json").read_bytes())["files"]
        return all(Path(path, name).stat().st_size == entry["bytes"] for name, entry in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


__all__ = ["Settling", "StatusError", "find_versions", "fingerprint"]
