"""Reads from the serving root which version is served, when it was made and from which span."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hilir.pipeline.triggers.sources.payload import Span
from hilir.pipeline.versions.catalogue import find_stable, list_versions


@dataclass(frozen=True)
class Served:
    """A version with what its manifest says.

    `span` is None where the data has no spans; `fingerprint` is ExampleGen's of the data it read.
    """

    version: int
    created: datetime
    span: Span | None
    fingerprint: str


def find_served(model: Path, *, newest: bool = False) -> Served | None:
    """Returns the version that serves as `stable`, or the newest where nothing was released; None without any.

    Args:
        model: the folder of the model's versions.
        newest: take the newest in any case.

    Raises:
        OSError, ValueError: the release state or the manifest cannot be read.
    """
    versions = [version for version in list_versions(model) if version.has_manifest]
    if not versions:
        return None
    stable = None if newest else find_stable(model)
    version = next((each for each in versions if each.number == stable), versions[0])
    try:
        data = version.manifest.get("data", {})
        created = datetime.fromisoformat(version.created)
        return Served(version.number, created, _span(data), data.get("fingerprint", ""))
    except KeyError as error:
        raise ValueError(f"{version.folder}/manifest.json lacks {error}") from None


def _span(data: Mapping[str, Any]) -> Span | None:
    # TFX calls data without spans span 0.
    if not data.get("span") and data.get("version") is None:
        return None
    return Span(data["span"], data.get("version"))
