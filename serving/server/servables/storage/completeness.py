"""Whether a version's folder is complete, as far as that can be seen without loading it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MANIFEST = "manifest.json"
_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")


def find_contradiction(path: str) -> str | None:
    """What differs from the version's manifest in existence or size; None if nothing does, or it has no manifest."""
    folder = Path(path)
    try:
        sizes = _listed_sizes(folder)
    except (OSError, ValueError, RecursionError):
        return None
    for name, size in (sizes or {}).items():
        try:
            found = (folder / name).stat().st_size
        except FileNotFoundError:
            return f"{name} is missing, {_MANIFEST} lists it"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if found != size:
            return f"{name} has {found} bytes, {_MANIFEST} lists {size}"
    return None


def is_verified(path: str) -> bool:
    """True if the version has a manifest, and every file that it lists is there in its size."""
    try:
        return _listed_sizes(Path(path)) is not None and find_contradiction(path) is None
    except (OSError, ValueError, RecursionError):
        return False


def find_missing_part(path: str) -> str | None:
    """What a version's folder lacks, in words; None if it looks complete."""
    folder = Path(path)
    try:
        if _listed_sizes(folder) is None:
            return _missing_file(folder)
    except (ValueError, RecursionError):
        return f"{_MANIFEST} is incomplete"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return find_contradiction(path)


def _listed_sizes(folder: Path) -> dict[str, int] | None:
    """Sizes by file of the manifest; None if there is none, or one that hilir did not write.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON.
    """
    try:
        content: Any = json.loads((folder / _MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict) or not all(_is_entry(entry) for entry in files.values()):
        return None
    return {name: entry["bytes"] for name, entry in files.items()}


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("bytes"), int)


def _missing_file(folder: Path) -> str | None:
    """The first file that a SavedModel needs and that is not there."""
    if not any((folder / name).exists() for name in ("saved_model.pb", "saved_model.pbtxt")):
        return "saved_model.pb is missing"
    variables = folder / "variables"
    names = {entry.name for entry in variables.iterdir()} if variables.is_dir() else set()
    if not names:
        return None
    if "variables.index" not in names:
        return "variables/variables.index is missing"
    shards = [match for name in names if (match := _SHARD.fullmatch(name))]
    count = max((int(match[2]) for match in shards), default=1)
    for number in range(count):
        if not any(int(match[1]) == number for match in shards):
            return f"variables/variables.data-{number:05d}-of-{count:05d} is missing"
    return None
