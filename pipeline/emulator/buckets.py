"""Maps `gs://` paths to folders of this machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilir.pipeline.errors import ConfigError

_URI = re.compile(r"gs://[a-z0-9][a-z0-9._-]*(?:/[\w.+=@%*{}:~-]*)*")
_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[^/\s]+)*/?")
# Images are names, not paths.
_UNTOUCHED = {"image", "image_uri", "imageUri"}


@dataclass(frozen=True)
class Mount:
    """A prefix of `gs://` paths and the folder that stands for it."""

    prefix: str
    folder: str


def read_mappings(settings: Sequence[str]) -> list[Mount]:
    """Returns what `gs://BUCKET[/PREFIX]=DIR` from the command line say.

    Raises:
        ConfigError: one is not of that form.
    """
    mappings = []
    for setting in settings:
        prefix, equals, folder = setting.partition("=")
        if not equals or not folder or not _BUCKET.fullmatch(prefix):
            raise ConfigError(
                f"--map {setting}: is not of the form gs://BUCKET=FOLDER, for example gs://my-bucket=data"
            )
        mappings.append(Mount(prefix.rstrip("/"), str(Path(folder).absolute())))
    return mappings


def check_folders(mounts: Sequence[Mount], root: str) -> None:
    """Refuses folders that are not there, since a step that reads them fails after its retries; the root's is made.

    Args:
        mounts: as `read_mappings` returns them.
        root: the pipeline root, below which the steps write.

    Raises:
        ConfigError: with each folder that is not there.
    """
    faults = [
        f"--map {mount.prefix}={mount.folder}: the folder does not exist; correct the path, or make it for steps "
        f"that write there: mkdir -p {shlex.quote(mount.folder)}"
        for mount in mounts
        if not Path(mount.folder).exists() and not f"{root}/".startswith(f"{mount.prefix}/")
    ]
    if faults:
        raise ConfigError(faults)


def map_uris(job: Mapping[str, Any], mappings: Sequence[Mount]) -> dict[str, Any]:
    """Returns the job with each `gs://` path in it replaced by its folder's path; the longest prefix counts.

    Raises:
        ConfigError: a bucket has no folder, or a path would lead out of it; all such are named.
    """
    ordered = sorted(mappings, key=lambda mapping: len(mapping.prefix), reverse=True)
    unmapped: set[str] = set()
    escaping: set[str] = set()

    def replace(found: re.Match[str]) -> str:
        uri = found.group()
        # A bucket has objects of this name; a folder would be left by it.
        if ".." in uri.split("/"):
            escaping.add(uri)
        for mapping in ordered:
            if uri == mapping.prefix or uri.startswith(f"{mapping.prefix}/"):
                return mapping.folder + uri[len(mapping.prefix) :]
        unmapped.add("/".join(uri.split("/")[:3]))
        return uri

    def visit(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: visit(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [visit(inner, key) for inner in value]
        return _URI.sub(replace, value) if isinstance(value, str) and key not in _UNTOUCHED else value

    mapped: dict[str, Any] = visit(dict(job))
    faults = [f"{uri}: leads out of its bucket's folder; give a path without '..'" for uri in sorted(escaping)]
    faults += [f"{bucket}: has no folder here; name one with --map {bucket}=FOLDER" for bucket in sorted(unmapped)]
    if faults:
        raise ConfigError(faults)
    return mapped


def bucket_of(uri: str) -> str | None:
    """Returns `gs://BUCKET` of a path on a bucket, None for others."""
    return "/".join(uri.split("/")[:3]) if uri.startswith("gs://") else None
